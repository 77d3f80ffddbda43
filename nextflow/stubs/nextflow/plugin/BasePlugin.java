// SPDX-License-Identifier: Apache-2.0
package nextflow.plugin;

import org.pf4j.PluginWrapper;

public abstract class BasePlugin {
    public BasePlugin(PluginWrapper wrapper) {}

    public void start() {}
}
