// SPDX-License-Identifier: Apache-2.0
package nextflow.executor.local;

import nextflow.processor.TaskHandler;
import nextflow.processor.TaskRun;

public class LocalTaskHandler extends TaskHandler {
    public LocalTaskHandler(TaskRun task, LocalExecutor executor) {}

    protected ProcessBuilder createLaunchProcessBuilder() {
        return null;
    }
}
