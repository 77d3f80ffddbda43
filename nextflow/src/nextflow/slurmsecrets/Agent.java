// SPDX-License-Identifier: Apache-2.0
package nextflow.slurmsecrets;

import java.util.List;

/**
 * The agent that -javaagent names. The option alone puts the jar on the class path, where Nextflow finds the extensions
 * before it parses the configuration.
 */
public final class Agent {
    private Agent() {}

    /** Takes the names of the variables that hold a platform's run, which the Slurm plugin adds to the option. */
    public static void premain(String variables) {
        if (variables != null) JobSpec.setRunVariables(List.of(variables.split(",")));
    }
}
