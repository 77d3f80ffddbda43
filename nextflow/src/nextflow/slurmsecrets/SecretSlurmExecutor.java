// SPDX-License-Identifier: Apache-2.0
package nextflow.slurmsecrets;

import java.util.List;
import java.util.Set;
import nextflow.executor.SlurmExecutor;
import nextflow.processor.TaskRun;
import nextflow.util.ServiceName;

/** Nextflow's executor for Slurm, which requests for each job the secrets that its tasks declare, and no others. */
@ServiceName("slurm")
public final class SecretSlurmExecutor extends SlurmExecutor {
    @Override
    protected List<String> getDirectives(TaskRun task, List<String> initial) {
        List<String> directives = super.getDirectives(task, initial);
        String option = optionFor(task);
        if (option != null) {
            directives.add(option);
            directives.add(""); // directives come in pairs
        }
        WrittenValues.warn(task);
        return directives;
    }

    /** Returns the option of a job; null if it needs none. Ends a task whose job would not get its secrets. */
    private String optionFor(TaskRun task) {
        boolean isOfArray = isOfArray(task);
        Set<String> names = isOfArray ? DeclaredSecrets.validOf(task) : DeclaredSecrets.of(task);
        ClusterOptions own = new ClusterOptions(task);
        if (names.isEmpty()) {
            // Without the plugin no job gets a secret, and sbatch refuses the option.
            return own.requestSecrets() || !Secretctl.sbatchHasOption() ? null : "--secrets=none";
        }
        if (!isOfArray) check(names, own);
        return "--secret=" + String.join(",", names);
    }

    /**
     * Tells whether a task may be one of a job array. Nextflow makes the script of such a task before that of the array,
     * in a thread in which an exception leaves it waiting for tasks that are never submitted. The array is checked when
     * it is submitted, and of a task that is submitted singly sbatch checks the request.
     */
    private static boolean isOfArray(TaskRun task) {
        Object size = task.getConfig().get("array");
        return size != null && !size.equals(0);
    }

    private static void check(Set<String> names, ClusterOptions own) {
        if (!Secretctl.sbatchHasOption()) {
            throw Failure.of("cannot request secrets for a task: sbatch on this host has no option --secret; "
                    + "ask the admin to add the plugin of slurm-secrets to plugstack.conf");
        }
        if (own.excludeSecrets()) {
            throw Failure.of("cannot request secrets for a task: its clusterOptions have --secrets=none; "
                    + "remove that option, or the directive secret");
        }
        String why = Secretctl.whyRefused(JobSpec.ofEnvironment().specFor(names, own.run(), own.workspace()));
        if (why != null) throw Failure.of(why);
    }
}
