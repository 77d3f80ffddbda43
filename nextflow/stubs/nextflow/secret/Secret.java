// SPDX-License-Identifier: Apache-2.0
package nextflow.secret;

public interface Secret {
    String getName();

    String getValue();
}
