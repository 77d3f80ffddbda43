// SPDX-License-Identifier: Apache-2.0
package nextflow.exception;

public class ProcessUnrecoverableException extends Exception {
    public ProcessUnrecoverableException(String message) {
        super(message);
    }
}
