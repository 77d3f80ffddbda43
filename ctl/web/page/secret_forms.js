// SPDX-License-Identifier: Apache-2.0
// The forms that set, replace, rename and remove a secret.

import { ask, pathOfSecrets } from "./agent.js";
import { Field, FieldProblem, openForm, openQuestion } from "./dialog.js";
import { element } from "./elements.js";
import { ExpiryField } from "./expiry_field.js";
import { ValueField } from "./value_field.js";

const NAME_HINT = "Letters, digits, _ and -, at most 64. A job asks for it by this name.";
const TOO_LARGE = 413;
const CHANGED = 412;

function nameField(label, value = "") {
  const control = element("input", {
    type: "text", spellcheck: "false", autocomplete: "off", autocapitalize: "off", value,
  });
  return new Field(label, control, NAME_HINT);
}

function checkedName(field) {
  const name = field.control.value.trim();
  if (name === "") throw new FieldProblem(field, "Enter a name.");
  if (!/^[A-Za-z_][A-Za-z0-9_-]{0,63}$/.test(name)) {
    throw new FieldProblem(field, "Only letters, digits, _ and - are allowed, at most 64, and no digit or - at the beginning.");
  }
  return name;
}

function pathOf(place, name) {
  return `${pathOfSecrets(place.workspace)}/${encodeURIComponent(name)}`;
}

/** Sends the value, and shows what the agent refuses beside the field that it is about. */
async function put(place, name, generation, fields) {
  const ttl = fields.expires.duration();
  const body = JSON.stringify({ value: { base64: await fields.value.base64() }, ttl });
  try {
    return await ask("PUT", pathOf(place, name), { body, generation });
  } catch (error) {
    if (error.status === CHANGED && fields.name) {
      throw new FieldProblem(fields.name, `${name} is set already; replace it in the list, or choose another name.`);
    }
    if (error.status === TOO_LARGE) throw new FieldProblem(fields.value.origin(), error.message);
    if (error.message.includes('"ttl"')) throw new FieldProblem(fields.expires.field, error.message);
    if (fields.name && (error.status === 400 || error.status === 409)) throw new FieldProblem(fields.name, error.message);
    throw error;
  }
}

export function openNewSecret(place) {
  const fields = { name: nameField("Name"), value: new ValueField(), expires: new ExpiryField() };
  return openForm({
    title: place.workspace === undefined ? "New secret" : `New secret of ${place.words}`,
    content: [fields.name.element, fields.value.element, fields.expires.element],
    action: "Set",
    async submit() {
      const name = checkedName(fields.name);
      await put(place, name, 0, fields);
      return `${name} is set.`;
    },
  });
}

export function openReplace(place, secret) {
  const fields = { value: new ValueField(), expires: new ExpiryField() };
  return openForm({
    title: `Replace ${secret.name}`,
    content: [element("p", {}, "Jobs that start from now on get the new value. The old one is lost."),
      fields.value.element, fields.expires.element],
    action: "Replace",
    async submit() {
      await put(place, secret.name, secret.generation, fields);
      return `${secret.name} is replaced.`;
    },
  });
}

export function openRename(place, secret) {
  const field = nameField("New name", secret.name);
  return openForm({
    title: `Rename ${secret.name}`,
    content: [element("p", {}, `Jobs that ask for ${secret.name} no longer find it.`), field.element],
    action: "Rename",
    async submit() {
      const name = checkedName(field);
      if (name === secret.name) throw new FieldProblem(field, "The secret already has this name.");
      const body = JSON.stringify({ name });
      try {
        await ask("PATCH", pathOf(place, secret.name), { body, generation: secret.generation });
      } catch (error) {
        if (error.status === 400 || error.status === 409) throw new FieldProblem(field, error.message);
        throw error;
      }
      return `${secret.name} is now ${name}.`;
    },
  });
}

export async function openRemove(place, secret) {
  const isRemoved = await openQuestion({
    title: `Remove ${secret.name}?`,
    sentences: [`Jobs that ask for ${secret.name} no longer get this value: they fail to start, unless it is optional for them `
      + "or another scope has the name. The value is lost."],
    action: "Remove",
    act: () => ask("DELETE", pathOf(place, secret.name), { generation: secret.generation }),
  });
  return isRemoved && `${secret.name} is removed.`;
}
