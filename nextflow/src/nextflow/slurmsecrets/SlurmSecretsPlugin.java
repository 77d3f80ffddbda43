// SPDX-License-Identifier: Apache-2.0
package nextflow.slurmsecrets;

import nextflow.plugin.BasePlugin;
import org.pf4j.PluginWrapper;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The plugin nf-slurm-secrets, for sites that load the jar as a plugin of Nextflow and not by -javaagent. */
public final class SlurmSecretsPlugin extends BasePlugin {
    private static final Logger log = LoggerFactory.getLogger(SlurmSecretsPlugin.class);

    public SlurmSecretsPlugin(PluginWrapper wrapper) {
        super(wrapper);
    }

    @Override
    public void start() {
        super.start();
        forgetProvider();
    }

    /**
     * Has Nextflow choose its provider of secrets again. It parses the configuration before it starts plugins, and since
     * 24.04 it keeps the provider that it chose for that. Earlier versions have no such method, and choose later.
     */
    private static void forgetProvider() {
        try {
            Class<?> loader = Class.forName("nextflow.secret.SecretsLoader", true, BasePlugin.class.getClassLoader());
            loader.getMethod("reset").invoke(loader.getMethod("getInstance").invoke(null));
        } catch (ReflectiveOperationException error) {
            log.debug("Nextflow keeps its provider of secrets: " + error);
        }
    }
}
