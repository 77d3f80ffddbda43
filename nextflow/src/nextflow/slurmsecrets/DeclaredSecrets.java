// SPDX-License-Identifier: Apache-2.0
package nextflow.slurmsecrets;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import nextflow.processor.TaskHandler;
import nextflow.processor.TaskRun;

/** The secrets that a task declares by the directive `secret`. */
final class DeclaredSecrets {
    private DeclaredSecrets() {}

    /** Returns a task's names, each once; of a job array those of all its tasks. */
    static Set<String> of(TaskRun task) {
        Set<String> names = new LinkedHashSet<>(checked(task.getConfig().get("secret")));
        for (TaskRun child : childrenOf(task)) names.addAll(checked(child.getConfig().get("secret")));
        return names;
    }

    /** Returns a task's valid names, each once. What an invalid one breaks is said when the task or its array is submitted. */
    static Set<String> validOf(TaskRun task) {
        Set<String> names = new LinkedHashSet<>(listed(task.getConfig().get("secret")));
        names.removeIf(name -> !JobSpec.isName(name));
        return names;
    }

    static String whyInvalid(String name) {
        return "invalid name of a secret: '" + name + "'; expected letters, digits, _ and -, at most 64, beginning with a letter or _";
    }

    /** Returns the names in a directive's value; ends the task if one is invalid, as it gets into a command line. */
    private static List<String> checked(Object directive) {
        List<String> names = listed(directive);
        for (String name : names) {
            if (!JobSpec.isName(name)) throw Failure.of(whyInvalid(name));
        }
        return names;
    }

    private static List<String> listed(Object directive) {
        List<String> names = new ArrayList<>();
        if (directive == null) return names;
        for (Object each : directive instanceof Collection ? (Collection<?>) directive : List.of(directive)) names.add(String.valueOf(each));
        return names;
    }

    /** Returns the tasks of a job array. Versions before 24.04 know no arrays and have no such method. */
    private static List<TaskRun> childrenOf(TaskRun task) {
        List<TaskRun> children = new ArrayList<>();
        try {
            Object handlers = task.getClass().getMethod("getChildren").invoke(task);
            for (Object handler : (Iterable<?>) handlers) children.add(((TaskHandler) handler).getTask());
        } catch (NoSuchMethodException error) {
            return children;
        } catch (ReflectiveOperationException error) {
            throw Failure.of("cannot find the secrets of a job array: " + error);
        }
        return children;
    }
}
