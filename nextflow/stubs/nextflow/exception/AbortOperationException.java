// SPDX-License-Identifier: Apache-2.0
package nextflow.exception;

public class AbortOperationException extends RuntimeException {
    public AbortOperationException(String message) {
        super(message);
    }
}
