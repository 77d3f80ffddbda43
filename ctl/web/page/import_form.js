// SPDX-License-Identifier: Apache-2.0
// Sets secrets from a file as people have them: chosen or pasted, looked at first, then set one by one.

import { ask } from "./agent.js";
import { Field, FieldProblem, openForm } from "./dialog.js";
import { element, table } from "./elements.js";
import { ExpiryField } from "./expiry_field.js";
import { counted } from "./format.js";
import { contentOf } from "./value_field.js";

const MOST_BYTES = 1024 * 1024;
const HINT = "A .env file, export NAME=value lines, or Nextflow's store.json. The text is read, and never run.";

class SourceField {
  constructor() {
    this.area = element("textarea", {
      rows: 4, spellcheck: "false", autocomplete: "off", autocapitalize: "off", class: "concealed",
    });
    this.field = new Field("Text", this.area, HINT);
    this.file = element("input", { type: "file" });
    this.fileField = new Field("File", this.file);
    this.element = element("div", {}, this.fileField.element, this.field.element);
    this.file.addEventListener("change", () => {
      this.area.disabled = this.file.files.length > 0;
      this.field.setError("");
    });
  }

  /** Returns the field that the text is from. */
  origin() {
    return this.area.disabled ? this.fileField : this.field;
  }

  name() {
    return this.file.files[0]?.name ?? "the text";
  }

  async text() {
    const file = this.file.files[0];
    if (file?.size > MOST_BYTES) {
      throw new FieldProblem(this.fileField, `The file has ${file.size} bytes; at most ${MOST_BYTES} are accepted.`);
    }
    const text = file ? await contentOf(file, this.fileField) : this.area.value;
    if (!file && text.trim() === "") throw new FieldProblem(this.field, "Choose a file, or paste its text.");
    return text;
  }
}

/** Returns what the text has, without a value. */
async function preview(source) {
  const body = await source.text();
  try {
    return { body, ...await ask("POST", `/import?source=${encodeURIComponent(source.name())}`, { body }) };
  } catch (error) {
    throw error.status === 400 || error.status === 413 ? new FieldProblem(source.origin(), error.message) : error;
  }
}

async function openSource(place) {
  const source = new SourceField();
  return openForm({
    title: place.workspace === undefined ? "Import secrets" : `Import secrets into ${place.words}`,
    content: [source.element],
    action: "Preview",
    async submit() {
      return { source: source.name(), ...await preview(source) };
    },
  });
}

/**
 * Sets the chosen ones, one by one, until `isClosed()`. Returns how many are set. Throws at the first that the agent
 * rejects, and says how many are.
 */
async function setAll(place, found, chosen, generations, { ttl, isClosed }) {
  const query = `source=${encodeURIComponent(found.source)}${ttl ? `&expires=${ttl}` : ""}`;
  const folder = place.workspace === undefined ? "" : `${encodeURIComponent(place.workspace)}/`;
  let done = 0;
  for (const { name } of chosen) {
    if (isClosed()) break;
    const path = `/import/${folder}${encodeURIComponent(name)}?${query}`;
    try {
      const { generation } = await ask("PUT", path, { body: found.body, generation: generations.get(name) ?? 0 });
      generations.set(name, generation);
    } catch (error) {
      throw new Error(`${name}: ${error.message}. ${done} of ${chosen.length} are set.`);
    }
    done += 1;
  }
  return done;
}

/** `existing`: the secrets that are set now. Returns a sentence about what was set. */
export async function openImport(place, existing) {
  const found = await openSource(place);
  if (found === undefined) return undefined;
  const generations = new Map(existing.map(({ name, generation }) => [name, generation]));
  const boxes = new Map(found.secrets.map(({ name }) =>
    [name, element("input", { type: "checkbox", checked: true, "aria-label": `Import ${name}` })]));
  const expires = new ExpiryField();
  const rows = table("Secrets of the text", [
    { title: "Name", cell: ({ name }) => element("label", {}, boxes.get(name), ` ${name}`) },
    { title: "Size", cell: ({ bytes }) => counted(bytes, "byte") },
    { title: "Becomes", cell: ({ name }) => generations.has(name) ? element("strong", { class: "soon" }, "replaced") : "set" },
    { title: "From", cell: ({ place: where }) => where },
  ], found.secrets);
  return openForm({
    title: `Import from ${found.source}`,
    content: [...found.notes.map((note) => element("p", { class: "note" }, `Note: ${note}.`)), rows, expires.element],
    action: "Import",
    canStop: true,
    async submit(isClosed) {
      const chosen = found.secrets.filter(({ name }) => boxes.get(name).checked);
      if (chosen.length === 0) throw new Error("Choose at least one.");
      const done = await setAll(place, found, chosen, generations, { ttl: expires.duration(), isClosed });
      if (done === 0) return undefined;
      if (done < chosen.length) return `The import was cancelled: ${done} of ${chosen.length} are set.`;
      return `${counted(done, "secret")} ${done === 1 ? "is" : "are"} set.`;
    },
  });
}
