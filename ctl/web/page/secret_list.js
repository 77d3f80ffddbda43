// SPDX-License-Identifier: Apache-2.0
// The list of a place's secrets: the user's own, or a workspace's. A member sees names only.

import { ask, pathOfSecrets } from "./agent.js";
import { announce, button, element, newId, table } from "./elements.js";
import { counted, expiry, time } from "./format.js";
import { openImport } from "./import_form.js";
import { openNewSecret, openRemove, openRename, openReplace } from "./secret_forms.js";

const FILTER_FROM = 10;

function lastUse({ used }) {
  if (!used) return "never";
  return element("span", {}, time(used.at), ` by job ${used.job}`);
}

function setAt(secret) {
  if (!secret.damaged) return time(secret.set);
  return element("span", { class: "bad" }, time(secret.set), " (damaged: set it again)");
}

export class SecretList {
  /** `place`: {workspace, words}; `canChange`: whether the user may do more than see names. */
  constructor(place, canChange) {
    this.place = place;
    this.canChange = canChange;
    this.secrets = [];
    this.rows = element("div", {});
    this.filter = element("input", { type: "search", id: newId("filter"), oninput: () => this.showRows() });
    this.filterField = element("p", { class: "filter" },
      element("label", { for: this.filter.id }, "Filter by name "), this.filter);
    const tools = element("p", { class: "tools" },
      button("New secret", () => this.change(openNewSecret(place)), "primary"),
      button("Import", () => this.change(openImport(place, this.secrets))));
    this.element = element("div", {}, canChange && tools, this.filterField, this.rows);
  }

  async load() {
    const answer = await ask("GET", pathOfSecrets(this.place.workspace));
    this.secrets = answer.secrets;
    const focused = document.activeElement.getAttribute("aria-label");
    this.showRows();
    this.focusAgain(focused);
    return answer;
  }

  /** Waits for a form, and shows what it changed. */
  async change(form) {
    const sentence = await form;
    try {
      await this.load();
    } catch (error) {
      this.rows.replaceChildren(element("p", { class: "problem", role: "alert" }, error.message),
        element("p", {}, button("Try again", () => this.change(Promise.resolve()))));
    }
    if (!sentence) return undefined;
    announce(sentence);
    if (this.element.isConnected) document.getElementById("main").focus();
    return undefined;
  }

  /** Moves the focus to the button that took the place of the one which had it. */
  focusAgain(label) {
    if (label === null || document.activeElement !== document.body) return;
    this.rows.querySelector(`[aria-label="${CSS.escape(label)}"]`)?.focus();
  }

  actions(secret) {
    const action = (words, open, kind) => {
      const made = button(words, () => this.change(open(this.place, secret)), kind);
      made.setAttribute("aria-label", `${words} ${secret.name}`);
      return made;
    };
    return element("span", { class: "row-actions" }, action("Replace", openReplace), action("Rename", openRename),
      action("Remove", openRemove, "danger-quiet"));
  }

  showRows() {
    this.filterField.hidden = this.secrets.length < FILTER_FROM;
    const wanted = this.filterField.hidden ? "" : this.filter.value.trim().toLowerCase();
    const shown = this.secrets.filter(({ name }) => name.toLowerCase().includes(wanted));
    if (this.secrets.length === 0) {
      this.rows.replaceChildren(element("p", { class: "empty" }, this.canChange
        ? "No secrets yet. Set one, and ask for it in a job with --secret=NAME." : "No secrets yet."));
      return;
    }
    const name = { title: "Name", cell: (secret) => element("code", {}, secret.name) };
    const columns = this.canChange ? [
      name,
      { title: "Size", cell: ({ bytes }) => counted(bytes, "byte"), kind: "number" },
      { title: "Set", cell: setAt },
      { title: "Last used", cell: lastUse },
      { title: "Expires", cell: ({ expires }) => expiry(expires) },
      { title: "", cell: (secret) => this.actions(secret) },
    ] : [name];
    this.rows.replaceChildren(shown.length > 0 ? table(`Secrets of ${this.place.words}`, columns, shown)
      : element("p", { class: "empty" }, "No name matches."));
  }
}
