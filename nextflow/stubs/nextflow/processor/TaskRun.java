// SPDX-License-Identifier: Apache-2.0
package nextflow.processor;

import java.util.Map;

public class TaskRun {
    public TaskConfig getConfig() {
        return null;
    }

    public String getName() {
        return null;
    }

    public String getScript() {
        return null;
    }

    public Map<String, String> getEnvironment() {
        return null;
    }
}
