// SPDX-License-Identifier: Apache-2.0
package nextflow.slurmsecrets;

import nextflow.exception.ProcessUnrecoverableException;

/** Ends a task with a sentence, before its submission. */
final class Failure {
    private Failure() {}

    /** Returns Nextflow's exception for a task that no retry helps, to be thrown. */
    static RuntimeException of(String sentence) {
        return Failure.<RuntimeException>unchecked(new ProcessUnrecoverableException(sentence));
    }

    /** Throws what the methods of Nextflow, which are Groovy's, throw without declaring it. */
    @SuppressWarnings("unchecked")
    private static <E extends Throwable> RuntimeException unchecked(Throwable exception) throws E {
        throw (E) exception;
    }
}
