// SPDX-License-Identifier: Apache-2.0
// The field of a value: typed or pasted, not shown, or a file; each exactly, byte for byte.

import { Field, FieldProblem } from "./dialog.js";
import { button, element, newId } from "./elements.js";
import { counted } from "./format.js";

const MOST_BYTES = 64 * 1024;

/** Writes bytes as base64, in pieces that are few enough for the arguments of a call. */
function base64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

/** Reads a file. Throws a FieldProblem if it has gone since it was chosen. */
export async function contentOf(file, field) {
  try {
    return await file.arrayBuffer();
  } catch {
    throw new FieldProblem(field, "The file cannot be read; choose it again.");
  }
}

const LAST_NEWLINE = /(\r\n|\r|\n)$/;

export class ValueField {
  constructor() {
    this.area = element("textarea", {
      rows: 3, spellcheck: "false", autocomplete: "off", autocapitalize: "off", class: "concealed",
    });
    this.field = new Field("Value", this.area);
    this.file = element("input", { type: "file" });
    this.fileField = new Field("Or a file, byte for byte", this.file);
    this.show = element("input", { type: "checkbox", id: newId("show") });
    this.cut = button("Remove the last newline", () => this.cutNewline());
    this.pasted = "";
    this.element = element("div", {}, this.field.element, element("p", { class: "options" },
      element("label", { for: this.show.id }, this.show, " Show what is typed"), this.cut),
    this.fileField.element);
    this.area.addEventListener("input", () => this.describe());
    this.area.addEventListener("paste", (event) => this.remember(event));
    this.file.addEventListener("change", () => this.describe());
    this.show.addEventListener("change", () => this.area.classList.toggle("concealed", !this.show.checked));
    this.describe();
  }

  /** Returns the field that the value is from. */
  origin() {
    return this.file.files[0] ? this.fileField : this.field;
  }

  /** Remembers a paste that is the whole value: a text area makes each CR LF of it a LF. */
  remember(event) {
    const isWhole = this.area.selectionStart === 0 && this.area.selectionEnd === this.area.value.length;
    this.pasted = isWhole ? event.clipboardData.getData("text/plain") : "";
  }

  text() {
    const isPasted = this.pasted !== "" && this.pasted.replace(/\r\n?/g, "\n") === this.area.value;
    return isPasted ? this.pasted : this.area.value;
  }

  cutNewline() {
    const text = this.text().replace(LAST_NEWLINE, "");
    this.area.value = text;
    this.pasted = text;
    this.describe();
    this.area.focus();
  }

  /** Says of the value what can be said without showing it. */
  describe() {
    const file = this.file.files[0];
    const text = this.text();
    this.area.disabled = file !== undefined;
    this.cut.hidden = file !== undefined || !/[^\r\n](\r\n|\r|\n)$/.test(text);
    this.field.setError("");
    this.fileField.hint.textContent = "";
    if (file) {
      this.field.hint.textContent = "";
      this.fileField.hint.textContent = `The file ${file.name}: ${counted(file.size, "byte")}.`;
      return;
    }
    const bytes = new TextEncoder().encode(text).length;
    const words = [counted(bytes, "byte")];
    if (text.includes("\n")) words.push(counted(text.replace(LAST_NEWLINE, "").split("\n").length, "line"));
    if (text.includes("\r\n")) words.push("lines end with CR LF, which stays");
    if (/[\r\n]$/.test(text)) words.push("ends with a newline, which stays");
    this.field.hint.textContent = bytes === 0 ? "" : `${words.join(", ")}.`;
  }

  /** Returns the bytes as base64. Throws a FieldProblem if there is no value. */
  async base64() {
    const file = this.file.files[0];
    const field = this.origin();
    if (!file && this.text().isWellFormed?.() === false) {
      throw new FieldProblem(field, "The text has an incomplete character; paste it again, or choose a file.");
    }
    const bytes = file ? new Uint8Array(await contentOf(file, field)) : new TextEncoder().encode(this.text());
    if (bytes.length === 0) throw new FieldProblem(field, file ? "The file is empty." : "Enter a value, or choose a file.");
    if (bytes.length > MOST_BYTES) {
      throw new FieldProblem(field, `The value has ${bytes.length} bytes; at most ${MOST_BYTES} are accepted.`);
    }
    return base64(bytes);
  }
}
