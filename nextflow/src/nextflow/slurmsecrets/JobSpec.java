// SPDX-License-Identifier: Apache-2.0
package nextflow.slurmsecrets;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * The secret spec of the job in which Nextflow runs, as the variable SLURM_SECRETS has it: names only. Its syntax is that
 * of common/base/secret_spec.h; what this class does not know is passed over.
 */
final class JobSpec {
    private static final Pattern NAME = Pattern.compile("[A-Za-z_][A-Za-z0-9_-]{0,63}");
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

    /** Returns the spec of this process, with the run that a platform names in its own variable. */
    static JobSpec ofEnvironment() {
        String text = System.getenv("SLURM_SECRETS");
        JobSpec spec = parse(text != null ? text : "");
        String run = System.getenv("TOWER_WORKFLOW_ID");
        if (spec.run == null && run != null && RUN.matcher(run).matches()) {
            spec.run = "run:" + run + "?";
        }
        return spec;
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
        String text = part.endsWith("?") ? part.substring(0, part.length() - 1) : part;
        int colon = text.indexOf(':');
        String suffix = colon >= 0 ? text.substring(colon + 1) : "";
        String assigned = colon >= 0 ? text.substring(0, colon) : text;
        int equals = assigned.indexOf('=');
        String name = equals >= 0 ? assigned.substring(0, equals) : assigned;
        if (!isName(name) || name.equals("none")) return;
        Form form = suffix.equals("file") ? Form.FILE : suffix.equals("hold") ? Form.HOLD : Form.VARIABLE;
        String usual = usualVariable(name) + (form == Form.FILE ? "_FILE" : "");
        items.put(name, new Item(name, equals >= 0 ? assigned.substring(equals + 1) : usual, form));
    }
}
