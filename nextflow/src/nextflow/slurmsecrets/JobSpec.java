// SPDX-License-Identifier: Apache-2.0
package nextflow.slurmsecrets;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * The secret spec of the job in which Nextflow runs, as the variable SLURM_SECRETS has it: names only. Its syntax is that
 * of common/base/secret_spec.h; what this class does not know is passed over.
 */
final class JobSpec {
    private static final Pattern NAME = Pattern.compile("[A-Za-z_][A-Za-z0-9_-]{0,63}");
    private static final Pattern VARIABLE = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*");
    private static final Pattern RUN = Pattern.compile("[A-Za-z0-9._-]{1,128}");

    enum Form {
        VARIABLE,
        FILE,
        HOLD
    }

    /** One secret and the variable that holds its value or, for a file, its path. */
    static final class Item {
        final String name;
        final String variable;
        final Form form;

        Item(String name, String variable, Form form) {
            this.name = name;
            this.variable = variable;
            this.form = form;
        }
    }

    private static volatile List<String> runVariables = List.of("TOWER_WORKFLOW_ID");

    private final Map<String, Item> items = new LinkedHashMap<>();
    private String run;
    private String workspace;

    private JobSpec() {}

    static JobSpec parse(String text) {
        JobSpec spec = new JobSpec();
        for (String part : text.split(",")) {
            if (part.startsWith("run:")) {
                spec.run = part;
            } else if (part.startsWith("workspace:")) {
                spec.workspace = part;
            } else {
                spec.addItem(part);
            }
        }
        return spec;
    }

    /** Returns the spec of this process, with the run that a platform names in a variable of its own. */
    static JobSpec ofEnvironment() {
        String text = System.getenv("SLURM_SECRETS");
        JobSpec spec = parse(text != null ? text : "");
        for (String variable : runVariables) {
            String run = System.getenv(variable);
            if (spec.run == null && run != null && RUN.matcher(run).matches()) spec.run = "run:" + run + "?";
        }
        return spec;
    }

    /** Sets the variables in which platforms name their runs: those of run_id_env in plugstack.conf. */
    static void setRunVariables(List<String> variables) {
        runVariables = variables;
    }

    static boolean isName(String name) {
        return NAME.matcher(name).matches();
    }

    /** Returns the variable that a secret sets if no other is named. */
    static String usualVariable(String name) {
        return name.replace('-', '_');
    }

    /** Returns the job's item for a secret; one of the usual form if the job names none. */
    Item item(String name) {
        Item item = items.get(name);
        return item != null ? item : new Item(name, usualVariable(name), Form.VARIABLE);
    }

    Collection<Item> items() {
        return items.values();
    }

    /** Returns the variables that secrets of this process's job are in, or that `secretctl exec` puts them in. */
    Set<String> variables() {
        Set<String> variables = new LinkedHashSet<>();
        for (Item item : items()) variables.add(item.variable);
        String given = System.getenv("SLURM_SECRETS_SET");
        if (given != null) variables.addAll(List.of(given.split(",")));
        return variables;
    }

    /** Tells whether the job has a secret of another name in a variable. */
    boolean isOfAnother(String variable, String name) {
        return items().stream().anyMatch(item -> item.variable.equals(variable) && !item.name.equals(name));
    }

    /** Returns a spec for `secretctl check`: these secrets, from this job's run and workspace unless others are given. */
    String specFor(Collection<String> names, String otherRun, String otherWorkspace) {
        List<String> parts = new ArrayList<>();
        String runPart = otherRun != null ? "run:" + otherRun : run;
        String workspacePart = otherWorkspace != null ? "workspace:" + otherWorkspace : workspace;
        if (runPart != null) parts.add(runPart);
        if (workspacePart != null) parts.add(workspacePart);
        parts.addAll(names);
        return String.join(",", parts);
    }

    private void addItem(String part) {
        String[] words = (part.endsWith("?") ? part.substring(0, part.length() - 1) : part).split(":");
        int equals = words[0].indexOf('=');
        String name = equals >= 0 ? words[0].substring(0, equals) : words[0];
        if (!isName(name) || name.equals("none")) return;
        String last = words[words.length - 1]; // behind :random, if both are there
        Form form = last.equals("file") ? Form.FILE : last.equals("hold") ? Form.HOLD : Form.VARIABLE;
        String variable = equals >= 0 ? words[0].substring(equals + 1) : usualVariable(name) + (form == Form.FILE ? "_FILE" : "");
        // It gets into scripts.
        if (VARIABLE.matcher(variable).matches()) items.put(name, new Item(name, variable, form));
    }
}
