// SPDX-License-Identifier: Apache-2.0
package nextflow.slurmsecrets;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import nextflow.processor.TaskRun;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Warns of values that a pipeline puts into what Nextflow writes to a task's files. */
final class WrittenValues {
    private static final Logger log = LoggerFactory.getLogger(WrittenValues.class);
    private static final int SHORTEST = 6; // a shorter value may be in a text by chance
    private static final String SCRIPT = "script";
    /** The directives whose text becomes a part of the file .command.run. */
    private static final String[] DIRECTIVES = {"beforeScript", "afterScript", "containerOptions", "clusterOptions"};

    private static final Set<String> warned = ConcurrentHashMap.newKeySet();

    private WrittenValues() {}

    static void warn(TaskRun task) {
        Map<String, Optional<String>> secrets = SecretValues.found();
        if (secrets.isEmpty()) return;
        Map<String, String> texts = textsOf(task);
        for (Map.Entry<String, Optional<String>> secret : secrets.entrySet()) {
            String value = secret.getValue().orElse("");
            if (value.length() < SHORTEST) continue;
            for (Map.Entry<String, String> text : texts.entrySet()) {
                if (text.getValue().contains(value)) warn(secret.getKey(), text.getKey());
            }
        }
    }

    /** Returns what Nextflow writes, by the part of the process that it comes from. */
    private static Map<String, String> textsOf(TaskRun task) {
        Map<String, String> texts = new LinkedHashMap<>();
        // Not only texts, whatever the types say: Groovy has its own.
        texts.put(SCRIPT, String.valueOf((Object) task.getScript()));
        texts.put("environment", String.valueOf((Object) task.getEnvironment()));
        for (String directive : DIRECTIVES) texts.put(directive, String.valueOf(task.getConfig().get(directive)));
        return texts;
    }

    /** Warns once for each secret and part: a pipeline has many tasks. */
    private static void warn(String name, String part) {
        if (!warned.add(name + " " + part)) return;
        log.warn("the value of the secret " + name + " is in the " + part + " of a task, and Nextflow writes it to the file "
                + (part.equals(SCRIPT) ? ".command.sh" : ".command.run") + "; declare secret '" + name
                + "' in the process instead, and use \\$" + JobSpec.usualVariable(name) + " in its script");
    }
}
