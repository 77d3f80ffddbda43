// SPDX-License-Identifier: Apache-2.0
package nextflow.slurmsecrets;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import nextflow.exception.AbortOperationException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The values that pipeline code reads as secrets.NAME. They come from this process's job and from nowhere else. */
final class SecretValues {
    private static final Logger log = LoggerFactory.getLogger(SecretValues.class);
    private static final Path ENVIRONMENT = Paths.get("/proc/self/environ");
    private static final Map<String, Optional<String>> known = new ConcurrentHashMap<>();

    private SecretValues() {}

    /** Returns a value, or null if the job was not given the secret. Throws if the value is not text. */
    static String find(String name) {
        Optional<String> value = known.computeIfAbsent(name, SecretValues::read);
        return value == null ? null : value.orElse(null);
    }

    /** Returns the names that were found, and their values. */
    static Map<String, Optional<String>> found() {
        return known;
    }

    /** Returns a value; an empty one if the job does not have the secret; null if that can't be told now. */
    private static Optional<String> read(String name) {
        if (!JobSpec.isName(name)) return Optional.empty();
        JobSpec.Item item = JobSpec.ofEnvironment().item(name);
        boolean isHeld = item.form == JobSpec.Form.HOLD;
        byte[] value = isHeld ? null : variable(item.variable);
        if (value != null && item.form == JobSpec.Form.FILE) value = content(value);
        if (value != null) return Optional.of(decoded(name, value));
        if (System.getenv("SLURM_JOB_ID") == null) return Optional.empty(); // only processes of jobs get one
        Secretctl.Result answer = Secretctl.get(name);
        if (answer != null && answer.exitCode == 0) return Optional.of(decoded(name, answer.output));
        String why = answer != null ? answer.sentence() : "secretctl get " + name + " does not run or does not end";
        // The job has this one: a failure to read it must not look as if there were none.
        if (isHeld) throw new AbortOperationException("cannot read secrets." + name + ": " + why);
        if (answer != null && answer.exitCode == Secretctl.REFUSED) return Optional.empty();
        log.debug("cannot tell whether the job has the secret " + name + ": " + why);
        return null;
    }

    /** Returns a variable byte for byte: System.getenv() would change it in a locale other than UTF-8. */
    private static byte[] variable(String name) {
        byte[] all;
        try {
            all = Files.readAllBytes(ENVIRONMENT);
        } catch (IOException error) {
            String text = System.getenv(name);
            return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
        }
        byte[] assignment = (name + "=").getBytes(StandardCharsets.UTF_8);
        byte[] value = null;
        for (int begin = 0, end; begin < all.length; begin = end + 1) {
            for (end = begin; end < all.length && all[end] != 0; ) ++end;
            int at = begin + assignment.length;
            if (at <= end && Arrays.equals(all, begin, at, assignment, 0, assignment.length)) {
                value = Arrays.copyOfRange(all, at, end);
                break;
            }
        }
        Arrays.fill(all, (byte) 0);
        return value;
    }

    private static byte[] content(byte[] path) {
        try {
            return Files.readAllBytes(Paths.get(new String(path, StandardCharsets.UTF_8)));
        } catch (IOException error) {
            return null;
        }
    }

    private static String decoded(String name, byte[] value) {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(value)).toString();
        } catch (CharacterCodingException error) {
            throw new AbortOperationException("cannot read secrets." + name + ": the value is not UTF-8 text; declare secret '"
                    + name + "' in the process, and read the variable in its script");
        } finally {
            Arrays.fill(value, (byte) 0);
        }
    }
}
