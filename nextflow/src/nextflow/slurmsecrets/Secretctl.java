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
    static final int REFUSED = 1; // secretctl(1), exit status
    private static final Pattern REASON = Pattern.compile("\"reason\":\"((?:[^\"\\\\]|\\\\.)*)\"");

    private static final long REMEMBERED_NANOSECONDS = TimeUnit.SECONDS.toNanos(15);
    private static final Map<String, Check> checked = new ConcurrentHashMap<>();
    private static Boolean sbatchHasOption;

    private Secretctl() {}

    /** An answer about a spec: null if a job would get it, or if that could not be told. */
    private static final class Check {
        final String whyRefused;
        private final boolean isFinal;
        private final long made = System.nanoTime();

        Check(String whyRefused, boolean isFinal) {
            this.whyRefused = whyRefused;
            this.isFinal = isFinal;
        }

        boolean isValid() {
            return isFinal || System.nanoTime() - made < REMEMBERED_NANOSECONDS;
        }
    }

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
        return run("secretctl", "get", name);
    }

    /**
     * Returns why a job with this secret spec would be refused; null if it would not, or if that can't be told now: then
     * sbatch or the job itself says it. Asks once for each spec; again only if a while ago the answer was not a yes.
     */
    static String whyRefused(String spec) {
        Check known = checked.get(spec);
        if (known == null || !known.isValid()) {
            known = check(spec);
            if (!Thread.currentThread().isInterrupted()) checked.put(spec, known);
        }
        return known.whyRefused;
    }

    private static Check check(String spec) {
        Result result = run("secretctl", "--json", "check", spec);
        if (result == null) return new Check(null, false);
        String output = new String(result.output, StandardCharsets.UTF_8);
        // The exit code alone is that of an error of the agent, too.
        if (result.exitCode == REFUSED && output.contains("\"ok\":false")) return new Check(reasonsIn(output), false);
        if (result.exitCode != 0) log.debug("cannot check the secrets " + spec + ": secretctl ended with exit code " + result.exitCode);
        return new Check(null, result.exitCode == 0);
    }

    /** Returns whether sbatch has the plugin's options; true if that can't be told. */
    static synchronized boolean sbatchHasOption() {
        if (sbatchHasOption == null) {
            Result help = run("sbatch", "--help");
            if (help == null || help.exitCode != 0) return true;
            sbatchHasOption = new String(help.output, StandardCharsets.UTF_8).contains("--secrets=");
        }
        return sbatchHasOption;
    }

    private static String reasonsIn(String json) {
        List<String> reasons = new ArrayList<>();
        Matcher matcher = REASON.matcher(json);
        while (matcher.find()) reasons.add(unescaped(matcher.group(1)));
        return reasons.isEmpty() ? "the agent refuses such a job" : String.join("; ", reasons);
    }

    /** Returns the text of a JSON string. */
    private static String unescaped(String json) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < json.length(); ++i) {
            char c = json.charAt(i);
            if (c != '\\') {
                text.append(c);
                continue;
            }
            char escape = json.charAt(++i);
            int control = "bfnrt".indexOf(escape);
            if (escape == 'u' && i + 4 < json.length()) {
                text.append((char) Integer.parseInt(json.substring(i + 1, i + 5), 16));
                i += 4;
            } else {
                text.append(control >= 0 ? "\b\f\n\r\t".charAt(control) : escape);
            }
        }
        return text.toString();
    }

    /** Runs a program of PATH; returns null if it does not run or end. */
    private static Result run(String... command) {
        Process process = null;
        try {
            process = new ProcessBuilder(command).redirectInput(new File("/dev/null")).start();
            CompletableFuture<byte[]> output = reading(process.getInputStream());
            CompletableFuture<byte[]> errors = reading(process.getErrorStream());
            if (!process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS)) {
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
        } finally {
            if (process != null) process.destroyForcibly();
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
