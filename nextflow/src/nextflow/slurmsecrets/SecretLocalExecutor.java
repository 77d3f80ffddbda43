// SPDX-License-Identifier: Apache-2.0
package nextflow.slurmsecrets;

import nextflow.executor.local.LocalExecutor;
import nextflow.executor.local.LocalTaskHandler;
import nextflow.processor.TaskHandler;
import nextflow.processor.TaskRun;
import nextflow.util.ServiceName;

/** Nextflow's local executor, whose tasks inherit the secrets that they declare, and no others. */
@ServiceName("local")
public final class SecretLocalExecutor extends LocalExecutor {
    @Override
    public TaskHandler createTaskHandler(TaskRun task) {
        WrittenValues.warn(task);
        TaskHandler handler = super.createTaskHandler(task);
        // The other kind runs a closure in Nextflow itself, which has its own environment.
        return handler.getClass() == LocalTaskHandler.class ? new Handler(task, this) : handler;
    }

    private static final class Handler extends LocalTaskHandler {
        Handler(TaskRun task, LocalExecutor executor) {
            super(task, executor);
        }

        /** Removes the variables before the task's script runs, since NXF_DEBUG, modules and beforeScript come first in it. */
        @Override
        protected ProcessBuilder createLaunchProcessBuilder() {
            ProcessBuilder builder = super.createLaunchProcessBuilder();
            builder.environment().keySet().removeAll(new LocalTask().undeclaredVariables(DeclaredSecrets.validOf(getTask())));
            return builder;
        }
    }
}
