// SPDX-License-Identifier: Apache-2.0
package nextflow.slurmsecrets;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import nextflow.processor.TaskRun;

/** A task's own options of sbatch, from the directive clusterOptions, in words as sbatch reads them. */
final class ClusterOptions {
    private final List<String> words = new ArrayList<>();

    ClusterOptions(TaskRun task) {
        Object options = task.getConfig().get("clusterOptions");
        if (options == null) return;
        for (Object each : options instanceof Collection ? (Collection<?>) options : List.of(options)) split(String.valueOf(each));
    }

    /** Tells whether the options say which secrets the job gets. */
    boolean requestSecrets() {
        return find("--secret") != null || find("--secrets") != null || find("--secrets-run") != null;
    }

    boolean excludeSecrets() {
        return "none".equals(find("--secrets"));
    }

    /** Returns the run that the options name; null if none. */
    String run() {
        return find("--secrets-run");
    }

    String workspace() {
        return find("--workspace");
    }

    /** Returns an option's value; null without the option. */
    private String find(String option) {
        for (int i = 0; i < words.size(); ++i) {
            String word = words.get(i);
            if (word.startsWith(option + "=")) return word.substring(option.length() + 1);
            if (word.equals(option)) return i + 1 < words.size() ? words.get(i + 1) : "";
        }
        return null;
    }

    /** Adds the words of a text, in which blanks may be quoted as in a shell. */
    private void split(String text) {
        StringBuilder word = null;
        char quote = 0;
        for (int i = 0; i < text.length(); ++i) {
            char c = text.charAt(i);
            if (quote == 0 && Character.isWhitespace(c)) {
                if (word != null) words.add(word.toString());
                word = null;
                continue;
            }
            if (word == null) word = new StringBuilder();
            if (c == quote) {
                quote = 0;
            } else if (quote == 0 && (c == '"' || c == '\'')) {
                quote = c;
            } else if (c == '\\' && quote != '\'' && i + 1 < text.length()) {
                word.append(text.charAt(++i));
            } else {
                word.append(c);
            }
        }
        if (word != null) words.add(word.toString());
    }
}
