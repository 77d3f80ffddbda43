// SPDX-License-Identifier: Apache-2.0
package nextflow.slurmsecrets;

/**
 * The agent that -javaagent names. Does nothing: the option alone puts the jar on the class path, where Nextflow finds
 * the extensions before it parses the configuration.
 */
public final class Agent {
    private Agent() {}

    public static void premain(String arguments) {}
}
