// SPDX-License-Identifier: Apache-2.0
package nextflow.slurmsecrets;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * What a task of the local executor gets: it inherits the environment of Nextflow, hence all secrets of the job in which
 * Nextflow runs. Tasks on Slurm have a job, and an environment, of their own.
 */
final class LocalTask {
    private final JobSpec spec = JobSpec.ofEnvironment();
    private final String job = System.getenv("SLURM_JOB_ID");

    /** Returns the variables of the job's secrets that a task that declares these must not inherit. */
    Set<String> undeclaredVariables(Collection<String> declared) {
        Set<String> variables = spec.variables();
        for (String name : declared) {
            variables.remove(spec.item(name).variable);
            if (!spec.isOfAnother(JobSpec.usualVariable(name), name)) variables.remove(JobSpec.usualVariable(name));
        }
        return variables;
    }

    /**
     * Returns the lines of the script of a task that declares these secrets, which set the variables that have their names:
     * exactly, or the lines end the task with a sentence. They take effect in a local task only, and hold names and no
     * value. Null if there is nothing to do.
     */
    String linesFor(List<String> declared) {
        List<String> reads = new ArrayList<>();
        List<String> exports = new ArrayList<>();
        Set<String> sources = new LinkedHashSet<>();
        for (String name : declared) {
            // Of an array's task nothing else says it.
            if (!JobSpec.isName(name)) return "echo " + quoted("secrets: " + DeclaredSecrets.whyInvalid(name)) + " >&2; exit 1";
            String read = "slurm_secrets_" + reads.size();
            reads.add(readInto(read, name));
            exports.add("[[ ! ${" + read + "+x} ]] || export " + JobSpec.usualVariable(name) + "=\"$" + read + "\"");
            exports.add("unset -v " + read);
            sources.add(spec.item(name).variable);
        }
        for (String name : declared) sources.remove(JobSpec.usualVariable(name));
        if (reads.isEmpty()) return null;
        if (!sources.isEmpty()) reads.add("unset -v " + String.join(" ", sources));
        // After all are read: one's variable may have the name of another.
        reads.addAll(exports);
        String condition = job != null ? "${SLURM_JOB_ID:-} == " + job : "-z ${SLURM_JOB_ID:-}";
        return "if [[ " + condition + " ]]; then\n" + String.join("\n", reads) + "\nfi";
    }

    /** Returns a line that reads a secret into a variable, unless it is where it belongs; or ends the task. */
    private String readInto(String read, String name) {
        JobSpec.Item item = spec.item(name);
        String usual = JobSpec.usualVariable(name);
        List<String> ways = new ArrayList<>();
        if (item.form == JobSpec.Form.FILE) {
            ways.add(isSet(item.variable) + " && " + output(read, "cat -- \"$" + item.variable + "\""));
        } else if (!item.variable.equals(usual)) {
            ways.add(isSet(item.variable) + " && " + read + "=$" + item.variable);
        }
        if (!spec.isOfAnother(usual, name)) ways.add(isSet(usual));
        if (job != null) ways.add(output(read, "secretctl get " + name));
        return "{ " + String.join("; } || { ", ways) + "; } || { " + ending(item) + "; exit 1; } >&2";
    }

    private static String isSet(String variable) {
        return "[[ ${" + variable + "+x} ]]";
    }

    /** Returns commands that set a variable to a command's output with its last newlines, which $() removes. */
    private static String output(String variable, String command) {
        return variable + "=$(" + command + " && printf .) && " + variable + "=${" + variable + "%.}";
    }

    /** Returns commands that print why there is no secret. An answer that nobody gave, or of a held secret, is no "no". */
    private String ending(JobSpec.Item item) {
        String lead = "secrets: cannot give the secret " + item.name + " to a task of the local executor: ";
        if (job == null) {
            return "echo " + quoted(lead + "Nextflow runs outside of a job; run the process on the slurm executor, "
                    + "or Nextflow in a job with --secret=" + item.name);
        }
        String unread = "echo " + quoted(lead + "cannot read it: secretctl has printed the reason; run the pipeline again with -resume");
        if (item.form == JobSpec.Form.HOLD) return unread;
        return "if [[ $? == " + Secretctl.REFUSED + " ]]; then echo " + quoted(lead + "the job of Nextflow does not have it; "
                + "submit that job with --secret=" + item.name) + "; else " + unread + "; fi";
    }

    private static String quoted(String text) {
        return "'" + text.replace("'", "'\\''") + "'";
    }
}
