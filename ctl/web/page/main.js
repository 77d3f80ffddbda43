// SPDX-License-Identifier: Apache-2.0
// Shows the screen that the address names: #/secrets, #/workspaces, #/workspaces/NAME, #/runs, #/runs/RUN, #/activity.

import { Activity } from "./activity_screen.js";
import { button, element } from "./elements.js";
import { OneRun, Runs } from "./runs_screens.js";
import { OneWorkspace, Workspaces, YourSecrets } from "./secrets_screens.js";

const main = document.getElementById("main");
let screen;

/** Returns the screen of an address; Your Secrets for one that names none. */
function screenOf(hash) {
  const [, word, name] = hash.split("/");
  let decoded;
  try {
    decoded = name ? decodeURIComponent(name) : undefined;
  } catch {
    decoded = undefined;
  }
  if (word === "workspaces") return decoded ? new OneWorkspace(decoded) : new Workspaces();
  if (word === "runs") return decoded ? new OneRun(decoded) : new Runs();
  if (word === "activity") return new Activity();
  return new YourSecrets();
}

function markCurrent() {
  const word = location.hash.split("/")[1] || "secrets";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#/${word}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** Reads what the screen shows; what goes wrong stands in its place. */
async function load(shown, problem) {
  try {
    await shown.load();
    problem.replaceChildren();
  } catch (error) {
    if (screen !== shown) return;
    problem.replaceChildren(element("p", { class: "problem" }, error.message),
      element("p", {}, button("Try again", () => load(shown, problem).then(() => main.focus()))));
  }
}

async function show() {
  screen?.stop?.();
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  const shown = screenOf(location.hash);
  const isFirst = screen === undefined;
  screen = shown;
  document.title = `${shown.title} – slurm-secrets`;
  const problem = element("div", { role: "alert" });
  main.replaceChildren(element("h1", {}, shown.title), problem, shown.element);
  shown.problemPlace = problem;
  markCurrent();
  if (!isFirst) main.focus();
  await load(shown, problem);
}

/** Reads anew what is shown when the user comes back to this tab: another one may have changed it. */
function lookAgain() {
  if (document.hidden || document.querySelector("dialog")) return;
  load(screen, screen.problemPlace);
}

window.addEventListener("hashchange", show);
document.addEventListener("visibilitychange", lookAgain);
document.getElementById("skip").addEventListener("click", () => main.focus());
show();
