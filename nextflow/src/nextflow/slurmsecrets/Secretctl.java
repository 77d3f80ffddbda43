// SPDX-License-Identifier: Apache-2.0
package nextflow.slurmsecrets;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
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

    /** What a program printed, and its exit code. */
    static final class Result {
        final int exitCode;
        final byte[] output;
        private final byte[] errors;

        Result(int exitCode, byte[] output, byte[] errors) {
            this.exitCode = exitCode;
            this.output = output;
            this.errors = errors;
        }

        /** Returns the program's sentence about its failure, without its name in front. */
        String sentence() {
            String text = new String(errors, StandardCharsets.UTF_8).trim().replaceFirst("^secretctl: ", "");
            return text.isEmpty() ? "secretctl ended with exit code " + exitCode : text;
        }
    }

    /** Returns the job server's answer for a secret of this job: its value if the exit code is 0. Null without an answer. */
    static Result get(String name) {
        if (System.getenv("SLURM_JOB_ID") == null) return null; // only processes of jobs get one
        return run("secretctl", "get", name);
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

    /** Runs a program of PATH; returns null if it does not run or end. */
    private static Result run(String... command) {
        try {
            Process process = new ProcessBuilder(command)
                    .redirectInput(new File("/dev/null"))
                    .start();
            CompletableFuture<byte[]> output = reading(process.getInputStream());
            CompletableFuture<byte[]> errors = reading(process.getErrorStream());
            if (!process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                log.debug(command[0] + " did not end within " + TIMEOUT_SECONDS + " s");
                return null;
            }
            return new Result(process.exitValue(), output.get(TIMEOUT_SECONDS, TimeUnit.SECONDS),
                    errors.get(TIMEOUT_SECONDS, TimeUnit.SECONDS));
        } catch (IOException | ExecutionException | TimeoutException error) {
            log.debug("cannot run " + command[0] + ": " + error.getMessage());
            return null;
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            return null;
        }
    }

    /** Reads in a thread of its own: those that Java shares may all be in use by Nextflow. */
    private static CompletableFuture<byte[]> reading(InputStream stream) {
        return CompletableFuture.supplyAsync(() -> readAll(stream), task -> {
            Thread thread = new Thread(task);
            thread.setDaemon(true);
            thread.start();
        });
    }

    private static byte[] readAll(InputStream stream) {
        try (InputStream input = stream) {
            return input.readAllBytes();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
