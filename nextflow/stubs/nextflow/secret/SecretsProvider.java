// SPDX-License-Identifier: Apache-2.0
package nextflow.secret;

import java.io.Closeable;
import java.util.List;
import java.util.Set;
import org.pf4j.ExtensionPoint;

public interface SecretsProvider extends ExtensionPoint, Closeable {
    boolean activable();

    SecretsProvider load();

    Secret getSecret(String name);

    void putSecret(String name, String value);

    void removeSecret(String name);

    Set<String> listSecretsNames();

    String getSecretsEnv(List<String> names);

    String getSecretsEnv();
}
