// SPDX-License-Identifier: Apache-2.0
// The field of an expiry, as the agent accepts it: a duration.

import { Field, FieldProblem } from "./dialog.js";
import { element } from "./elements.js";

const MOST_DAYS = 3650;
const CHOICES = [["", "Never"], ["7d", "After 7 days"], ["30d", "After 30 days"], ["90d", "After 90 days"],
  ["365d", "After a year"], ["date", "At the end of a day …"]];

export class ExpiryField {
  constructor() {
    this.choice = element("select", {}, ...CHOICES.map(([value, words]) => element("option", { value }, words)));
    this.field = new Field("Expires", this.choice);
    this.date = new Field("Last day", element("input", { type: "date" }));
    this.element = element("div", {}, this.field.element, this.date.element);
    this.choice.addEventListener("change", () => this.showDate());
    this.showDate();
  }

  showDate() {
    this.date.element.hidden = this.choice.value !== "date";
  }

  /** Returns the duration; undefined for never. Throws a FieldProblem if the day is missing or has passed. */
  duration() {
    if (this.choice.value !== "date") return this.choice.value || undefined;
    const end = new Date(`${this.date.control.value}T23:59:59`);
    const seconds = Math.floor((end.getTime() - Date.now()) / 1000);
    if (Number.isNaN(seconds)) throw new FieldProblem(this.date, "Choose a day.");
    if (seconds < 1) throw new FieldProblem(this.date, "The day has passed; choose a later one.");
    if (seconds > MOST_DAYS * 24 * 60 * 60) throw new FieldProblem(this.date, `Choose a day within ${MOST_DAYS} days.`);
    return `${seconds}s`;
  }
}
