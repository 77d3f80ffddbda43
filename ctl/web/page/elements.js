// SPDX-License-Identifier: Apache-2.0
// Makes the elements of the page. All text is set as text, so that no name of a file, a job or a workspace can become
// markup.

let lastId = 0;

/** Makes an element. Properties are attributes, but for listeners ("onclick"); false and undefined leave one out. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== undefined && child !== null && child !== false));
  return made;
}

/** Returns an id that no other element has. */
export function newId(word) {
  lastId += 1;
  return `${word}-${lastId}`;
}

export function button(words, onclick, kind = "") {
  return element("button", { type: "button", class: kind, onclick }, words);
}

const ANNOUNCED_FOR = 10000;
let lastAnnouncement;

/** Tells what has changed, also to those who do not see it. */
export function announce(sentence) {
  const place = document.getElementById("announcement");
  place.textContent = sentence;
  clearTimeout(lastAnnouncement);
  lastAnnouncement = setTimeout(() => { place.textContent = ""; }, ANNOUNCED_FOR);
}

/**
 * Makes a table that becomes a list of cards on a narrow screen. `columns`: {title, cell(row), kind}; a cell is text or
 * an element. The roles keep it a table there, too.
 */
export function table(label, columns, rows) {
  const heads = columns.map(({ title, kind }) =>
    element("th", { scope: "col", role: "columnheader", class: kind },
      title || element("span", { class: "visually-hidden" }, "Actions")));
  const body = rows.map((row) => element("tr", { role: "row" },
    ...columns.map(({ title, cell, kind }, at) =>
      element(at === 0 ? "th" : "td", {
        role: at === 0 ? "rowheader" : "cell", scope: at === 0 ? "row" : undefined, class: kind, "data-title": title,
      }, cell(row)))));
  return element("table", { role: "table", "aria-label": label },
    element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...heads)),
    element("tbody", { role: "rowgroup" }, ...body));
}
