// SPDX-License-Identifier: Apache-2.0
package nextflow.processor;

public abstract class TaskHandler {
    public TaskRun getTask() {
        return null;
    }
}
