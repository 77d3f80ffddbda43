// SPDX-License-Identifier: Apache-2.0
// Writes numbers and times for people.

import { element } from "./elements.js";

const SOON_DAYS = 7;
const DAY = 24 * 60 * 60 * 1000;

export function counted(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function twoDigits(number) {
  return String(number).padStart(2, "0");
}

/** Writes a date as secretctl does, in the reader's time zone: 2026-11-25 16:00. */
function localTime(date) {
  const day = [date.getFullYear(), twoDigits(date.getMonth() + 1), twoDigits(date.getDate())].join("-");
  return `${day} ${twoDigits(date.getHours())}:${twoDigits(date.getMinutes())}`;
}

/** Makes the element of a time of the agent's; a dash if there is none. */
export function time(utc, withSeconds = false) {
  if (!utc) return "–";
  const date = new Date(utc);
  if (Number.isNaN(date.getTime())) return utc;
  const words = localTime(date) + (withSeconds ? `:${twoDigits(date.getSeconds())}` : "");
  return element("time", { datetime: utc }, words);
}

/** Makes what a secret's expiry shows: soon and past ones are marked, by words and by colour. */
export function expiry(utc) {
  if (!utc) return "never";
  const left = new Date(utc).getTime() - Date.now();
  if (left > SOON_DAYS * DAY) return time(utc);
  const words = left <= 0 ? "expired" : `in ${left < DAY ? "less than a day" : counted(Math.floor(left / DAY), "day")}`;
  return element("span", { class: left <= 0 ? "bad" : "soon" }, time(utc), ` (${words})`);
}
