// SPDX-License-Identifier: Apache-2.0
package nextflow.executor;

import java.util.List;
import nextflow.processor.TaskRun;

public class SlurmExecutor {
    protected List<String> getDirectives(TaskRun task, List<String> initial) {
        return initial;
    }
}
