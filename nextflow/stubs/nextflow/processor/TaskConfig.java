// SPDX-License-Identifier: Apache-2.0
package nextflow.processor;

public class TaskConfig {
    /** Of the superclass in Nextflow, which is a Map. Evaluates a closure. */
    public Object get(Object directive) {
        return null;
    }
}
