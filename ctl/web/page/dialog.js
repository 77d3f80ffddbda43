// SPDX-License-Identifier: Apache-2.0
// Forms and questions, each a dialog over the page.

import { announce, button, element, newId } from "./elements.js";

/** A control with its label, a hint, and a place for what is wrong with it. */
export class Field {
  constructor(label, control, hint) {
    this.control = control;
    control.id ||= newId("field");
    this.hint = element("p", { class: "hint", id: newId("hint") }, hint ?? "");
    this.error = element("p", { class: "error", id: newId("error") });
    control.setAttribute("aria-describedby", `${this.hint.id} ${this.error.id}`);
    this.element = element("div", { class: "field" },
      element("label", { for: control.id }, label), control, this.hint, this.error);
    control.addEventListener("input", () => this.setError(""));
  }

  setError(sentence) {
    this.error.textContent = sentence;
    if (sentence) this.control.setAttribute("aria-invalid", "true");
    else this.control.removeAttribute("aria-invalid");
  }
}

/** An error of one field of a form. */
export class FieldProblem extends Error {
  constructor(field, sentence) {
    super(sentence);
    this.field = field;
  }
}

/**
 * Shows a form and returns when it was closed: the result of `submit`, or undefined if it was cancelled. `submit`
 * throws a FieldProblem, or any other error for the form as a whole; the form then stays as it is. What was sent
 * cannot be taken back: until it is answered the form can only be closed by leaving the screen, and its result is
 * waited for. A `submit` that sends many requests stops when `isClosed()` is true, and may be cancelled.
 */
export function openForm({ title, content, action, submit, kind = "primary", canStop = false }) {
  const heading = element("h2", { id: newId("title") }, title);
  const problem = element("p", { class: "error", role: "alert" });
  const send = element("button", { type: "submit", class: kind }, action);
  const form = element("form", { novalidate: true, autocomplete: "off" }, heading, ...content, problem);
  const dialog = element("dialog", { "aria-labelledby": heading.id }, form);
  const cancel = button("Cancel", () => dialog.close());
  form.append(element("p", { class: "actions" }, cancel, send));
  document.body.append(dialog);
  let result;
  let sending = Promise.resolve();

  async function run() {
    problem.textContent = "";
    send.disabled = true;
    cancel.disabled = !canStop;
    try {
      result = await submit(() => !dialog.open);
      dialog.close();
    } catch (error) {
      send.disabled = false;
      if (!dialog.open) {
        announce(`${action} failed: ${error.message}`);
      } else if (error instanceof FieldProblem) {
        error.field.setError(error.message);
        error.field.control.focus();
      } else {
        problem.textContent = error.message;
        send.focus();
      }
    }
    cancel.disabled = false;
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!send.disabled) sending = run();
  });
  dialog.addEventListener("cancel", (event) => {
    if (cancel.disabled) event.preventDefault();
  });
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", async () => {
      dialog.remove();  // and with it every value that was typed
      await sending;
      resolve(result);
    });
  });
}

/** Asks before something is lost. Returns true after `act` has succeeded, and undefined if it was cancelled. */
export function openQuestion({ title, sentences, action, act }) {
  return openForm({
    title,
    content: sentences.map((sentence) => element("p", {}, sentence)),
    action,
    kind: "danger",
    async submit() {
      await act();
      return true;
    },
  });
}
