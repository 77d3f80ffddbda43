// SPDX-License-Identifier: Apache-2.0
package nextflow.slurmsecrets;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * The lines of a task's script that take effect if the task runs on the local executor: it inherits the environment of
 * Nextflow, hence all secrets of the job in which Nextflow runs. Tasks on Slurm have a job, and an environment, of their
 * own. The lines hold names and no value.
 */
final class LocalTask {
    private final JobSpec spec = JobSpec.ofEnvironment();
    private final String job = System.getenv("SLURM_JOB_ID");

    /** Returns the lines for a task that declares these secrets; null if there is nothing to do. */
    String linesFor(List<String> declared) {
        for (String name : declared) {
            // Of an array's task nothing else says it.
            if (!JobSpec.isName(name)) return "echo " + quoted("secrets: " + DeclaredSecrets.whyInvalid(name)) + " >&2; exit 1";
        }
        Set<String> undeclared = variablesOfJob();
        List<String> lines = new ArrayList<>();
        for (String name : declared) {
            lines.add(require(name));
            undeclared.remove(JobSpec.usualVariable(name));
        }
        if (!undeclared.isEmpty()) lines.add("unset -v " + String.join(" ", undeclared));
        if (lines.isEmpty()) return null;
        String condition = job != null ? "${SLURM_JOB_ID:-} == " + job : "-z ${SLURM_JOB_ID:-}";
        return "if [[ " + condition + " ]]; then\n" + String.join("\n", lines) + "\nfi";
    }

    /** Returns the variables that this job's secrets are in. */
    private Set<String> variablesOfJob() {
        Set<String> variables = new LinkedHashSet<>();
        String given = System.getenv("SLURM_SECRETS_SET");
        for (String variable : given != null ? given.split(",") : new String[0]) {
            if (JobSpec.isName(variable)) variables.add(variable);
        }
        return variables;
    }

    /** Returns a line that sets the secret's variable, exactly, or ends the task with a sentence. */
    private String require(String name) {
        JobSpec.Item item = spec.item(name);
        String variable = JobSpec.usualVariable(name);
        StringBuilder line = new StringBuilder("[[ ${" + variable + "+x} ]]");
        if (!item.variable.equals(variable)) {
            String source = item.form == JobSpec.Form.FILE ? "cat -- \"$" + item.variable + "\""
                                                           : "printf %s \"$" + item.variable + "\"";
            line.append(" || { [[ ${" + item.variable + "+x} ]] && " + set(variable, source) + "; }");
        }
        if (job != null) line.append(" || { " + set(variable, "secretctl get " + name + " 2>/dev/null") + "; }");
        return line + " || { echo '" + sentence(name) + "' >&2; exit 1; }";
    }

    /** Returns commands that set a variable to a command's output with its last newlines, which $() removes. */
    private static String set(String variable, String command) {
        return variable + "=$(" + command + " && printf .) && export " + variable + "=\"${" + variable + "%.}\"";
    }

    private static String quoted(String text) {
        return "'" + text.replace("'", "'\\''") + "'";
    }

    private String sentence(String name) {
        if (job == null) {
            return "secrets: cannot give the secret " + name + " to a task of the local executor: Nextflow runs outside of a job; "
                    + "run the process on the slurm executor, or Nextflow in a job with --secret=" + name;
        }
        return "secrets: cannot give the secret " + name + " to a task of the local executor: the job of Nextflow does not have it; "
                + "submit that job with --secret=" + name;
    }
}
