// SPDX-License-Identifier: Apache-2.0
package nextflow.slurmsecrets;

import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import nextflow.processor.TaskRun;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Warns of values that a pipeline puts into a task's script or environment: Nextflow writes both to files. */
final class WrittenValues {
    private static final Logger log = LoggerFactory.getLogger(WrittenValues.class);
    private static final int SHORTEST = 6; // a shorter value may be in a text by chance

    private final Set<String> warned = ConcurrentHashMap.newKeySet();

    void warn(TaskRun task) {
        for (Map.Entry<String, Optional<String>> secret : SecretValues.found().entrySet()) {
            String value = secret.getValue().orElse("");
            if (value.length() < SHORTEST) continue;
            String script = task.getScript();
            if (script != null && script.contains(value)) warn(secret.getKey(), "script", ".command.sh");
            Map<String, String> environment = task.getEnvironment();
            if (environment == null) continue;
            // Not only texts, whatever the type says: Groovy has its own.
            for (Object each : environment.values()) {
                if (String.valueOf(each).contains(value)) warn(secret.getKey(), "environment", ".command.run");
            }
        }
    }

    /** Warns once for each secret and file: a pipeline has many tasks. */
    private void warn(String name, String where, String file) {
        if (!warned.add(name + " " + file)) return;
        log.warn("the value of the secret " + name + " is in the " + where + " of a task, and Nextflow writes it to the file " + file
                + "; declare secret '" + name + "' in the process instead, and use \\$" + JobSpec.usualVariable(name) + " in its script");
    }
}
