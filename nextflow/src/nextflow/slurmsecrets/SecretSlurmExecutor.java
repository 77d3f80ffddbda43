// SPDX-License-Identifier: Apache-2.0
package nextflow.slurmsecrets;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import nextflow.executor.SlurmExecutor;
import nextflow.processor.TaskRun;
import nextflow.util.ServiceName;

/** Nextflow's executor for Slurm, which requests for each job the secrets that its tasks declare, and no others. */
@ServiceName("slurm")
public final class SecretSlurmExecutor extends SlurmExecutor {
    private static final Pattern OWN_REQUEST = Pattern.compile("(?:^|\\s)--secret(?:s|s-run)?(?:[=\\s]|$)");
    private static final Pattern OWN_RUN = Pattern.compile("(?:^|\\s)--secrets-run[=\\s]+(\\S+)");
    private static final Pattern OWN_WORKSPACE = Pattern.compile("(?:^|\\s)--workspace[=\\s]+(\\S+)");

    private final WrittenValues written = new WrittenValues();

    @Override
    protected List<String> getDirectives(TaskRun task, List<String> initial) {
        List<String> directives = super.getDirectives(task, initial);
        Set<String> names = DeclaredSecrets.of(task);
        String option = optionFor(task, names);
        if (option != null) {
            directives.add(option);
            directives.add(""); // directives come in pairs
        }
        written.warn(task);
        return directives;
    }

    /** Returns the option of a job; null if it needs none. */
    private String optionFor(TaskRun task, Set<String> names) {
        String own = clusterOptions(task);
        if (names.isEmpty()) {
            // Without the plugin no job gets a secret, and sbatch refuses the option.
            return OWN_REQUEST.matcher(own).find() || !Secretctl.sbatchHasOption() ? null : "--secrets=none";
        }
        if (!Secretctl.sbatchHasOption()) {
            throw Failure.of("cannot request secrets for a task: sbatch on this host has no option --secret; "
                    + "ask the admin to add the plugin of slurm-secrets to plugstack.conf");
        }
        String spec = JobSpec.ofEnvironment().specFor(names, group(OWN_RUN, own), group(OWN_WORKSPACE, own));
        String why = Secretctl.whyRefused(spec);
        if (why != null) throw Failure.of(why);
        return "--secret=" + String.join(",", names);
    }

    private static String clusterOptions(TaskRun task) {
        Object options = task.getConfig().get("clusterOptions");
        if (options == null) return "";
        List<String> texts = new ArrayList<>();
        for (Object each : options instanceof Collection ? (Collection<?>) options : List.of(options)) texts.add(String.valueOf(each));
        return String.join(" ", texts);
    }

    private static String group(Pattern pattern, String text) {
        Matcher matcher = pattern.matcher(text);
        return matcher.find() ? matcher.group(1) : null;
    }
}
