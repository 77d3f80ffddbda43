// SPDX-License-Identifier: Apache-2.0
package nextflow.slurmsecrets;

import nextflow.plugin.BasePlugin;
import org.pf4j.PluginWrapper;

/** The plugin nf-slurm-secrets, for sites that load the jar as a plugin of Nextflow and not by -javaagent. */
public final class SlurmSecretsPlugin extends BasePlugin {
    public SlurmSecretsPlugin(PluginWrapper wrapper) {
        super(wrapper);
    }
}
