// SPDX-License-Identifier: Apache-2.0
package nextflow.slurmsecrets;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Runs secretctl and sbatch. A program that is missing, too old or silent says nothing about a secret. */
final class Secretctl {
    private static final Logger log = LoggerFactory.getLogger(Secretctl.class);
    private static final int TIMEOUT_SECONDS = 10;
    private static final int REFUSED = 1; // secretctl(1), exit status
    private static final Pattern REASON = Pattern.compile("\"reason\":\"((?:[^\"\\\\]|\\\\.)*)\"");

    private static final Map<String, Boolean> checked = new ConcurrentHashMap<>();
    private static Boolean sbatchHasOption;

    private Secretctl() {}

    /** Returns a secret's value in this job, or null if the job server does not give it. */
    static byte[] get(String name) {
        if (System.getenv("SLURM_JOB_ID") == null) return null; // it answers only processes of jobs
        Result result = run("secretctl", "get", name);
        return result != null && result.exitCode == 0 ? result.output : null;
    }

    /**
     * Returns why a job with this secret spec would be refused; null if it would not, or if that can't be told now: then
     * sbatch or the job itself says it. Asks once for each spec that is not refused.
     */
    static String whyRefused(String spec) {
        if (checked.containsKey(spec)) return null;
        Result result = run("secretctl", "--json", "check", spec);
        String output = result != null ? new String(result.output, StandardCharsets.UTF_8) : "";
        // The exit code alone is that of an error of the agent, too.
        if (result != null && result.exitCode == REFUSED && output.contains("\"ok\":false")) return reasonsIn(output);
        if (result != null && result.exitCode != 0) {
            log.debug("cannot check the secrets " + spec + ": secretctl ended with exit code " + result.exitCode);
        }
        checked.put(spec, true);
        return null;
    }

    /** Returns whether sbatch has the plugin's options; true if that can't be told. */
    static synchronized boolean sbatchHasOption() {
        if (sbatchHasOption == null) {
            Result help = run("sbatch", "--help");
            sbatchHasOption = help == null || help.exitCode != 0
                    || new String(help.output, StandardCharsets.UTF_8).contains("--secrets=");
        }
        return sbatchHasOption;
    }

    private static String reasonsIn(String json) {
        List<String> reasons = new ArrayList<>();
        Matcher matcher = REASON.matcher(json);
        while (matcher.find()) reasons.add(matcher.group(1).replaceAll("\\\\(.)", "$1"));
        return reasons.isEmpty() ? "the agent refuses such a job" : String.join("; ", reasons);
    }

    private static final class Result {
        final int exitCode;
        final byte[] output;

        Result(int exitCode, byte[] output) {
            this.exitCode = exitCode;
            this.output = output;
        }
    }

    /** Runs a program of PATH and returns its exit code and standard output; null if it does not run or end. */
    private static Result run(String... command) {
        try {
            Process process = new ProcessBuilder(command)
                    .redirectInput(new File("/dev/null"))
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            byte[][] output = new byte[1][];
            Thread reader = new Thread(() -> output[0] = readAll(process.getInputStream()), command[0]);
            reader.setDaemon(true);
            reader.start();
            if (!process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                log.debug(command[0] + " did not end within " + TIMEOUT_SECONDS + " s");
                return null;
            }
            reader.join(TimeUnit.SECONDS.toMillis(TIMEOUT_SECONDS));
            return output[0] != null ? new Result(process.exitValue(), output[0]) : null;
        } catch (IOException error) {
            log.debug("cannot run " + command[0] + ": " + error.getMessage());
            return null;
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            return null;
        }
    }

    private static byte[] readAll(InputStream stream) {
        try (InputStream input = stream) {
            return input.readAllBytes();
        } catch (IOException error) {
            return null;
        }
    }
}
