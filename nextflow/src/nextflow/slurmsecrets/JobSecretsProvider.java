// SPDX-License-Identifier: Apache-2.0
package nextflow.slurmsecrets;

import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import nextflow.exception.AbortOperationException;
import nextflow.plugin.Priority;
import nextflow.secret.Secret;
import nextflow.secret.SecretsProvider;

/** Gives pipelines the secrets of the job in which Nextflow runs. Reads and writes no file. */
@Priority(-100) // before Nextflow's own, which has 0 and keeps the values on disk
public final class JobSecretsProvider implements SecretsProvider {
    @Override
    public boolean activable() {
        return true;
    }

    @Override
    public SecretsProvider load() {
        return this;
    }

    @Override
    public Secret getSecret(String name) {
        String value = SecretValues.find(name);
        return value == null ? null : new JobSecret(name, value);
    }

    @Override
    public void putSecret(String name, String value) {
        throw new AbortOperationException("cannot set the secret " + name
                + ": Nextflow uses those of Slurm jobs, and has no store; use: secretctl set " + name);
    }

    @Override
    public void removeSecret(String name) {
        throw new AbortOperationException("cannot remove the secret " + name
                + ": Nextflow uses those of Slurm jobs, and has no store; use: secretctl rm " + name);
    }

    @Override
    public Set<String> listSecretsNames() {
        Set<String> names = new LinkedHashSet<>();
        for (JobSpec.Item item : JobSpec.ofEnvironment().items()) names.add(item.name);
        String given = System.getenv("SLURM_SECRETS_SET");
        // A job that requested all of its run names no secret, and its variables have their names.
        if (names.isEmpty() && given != null) names.addAll(List.of(given.split(",")));
        return names;
    }

    @Override
    public String getSecretsEnv(List<String> names) {
        return new LocalTask().linesFor(names != null ? names : List.of());
    }

    @Override
    public String getSecretsEnv() {
        return null;
    }

    @Override
    public void close() {}

    private static final class JobSecret implements Secret {
        private final String name;
        private final String value;

        JobSecret(String name, String value) {
            this.name = name;
            this.value = value;
        }

        @Override
        public String getName() {
            return name;
        }

        @Override
        public String getValue() {
            return value;
        }
    }
}
