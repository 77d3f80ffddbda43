// SPDX-License-Identifier: Apache-2.0
// The screen Activity: what happened with the user's secrets, runs and jobs, as it happens.

import { ask } from "./agent.js";
import { button, element } from "./elements.js";
import { time } from "./format.js";

const PAUSE = 2000;
const MOST_SHOWN = 500;

export class Activity {
  title = "Activity";
  next = 0;
  isPaused = false;

  constructor() {
    this.rows = element("ol", { class: "events" });
    this.log = element("div", { role: "log", "aria-label": "Events, the newest first" }, this.rows);
    this.state = element("span", { class: "hint" }, "live");
    this.pause = button("Pause", () => this.togglePause());
    this.problem = element("p", { class: "problem", hidden: true });
    this.empty = element("p", { class: "empty", hidden: true }, "Nothing has happened since the agent started.");
    this.element = element("div", {},
      element("p", {}, "Events of your secrets, runs and jobs on this host, the newest first."),
      element("p", { class: "tools" }, this.pause, this.state), this.problem, this.empty, this.log);
  }

  togglePause() {
    this.isPaused = !this.isPaused;
    this.pause.textContent = this.isPaused ? "Resume" : "Pause";
    this.state.textContent = this.isPaused ? "paused" : "live";
  }

  async load() {
    if (!this.isPaused) await this.look();
    if (!this.isStopped) this.timer ??= setInterval(() => this.poll(), PAUSE);
  }

  /** Stops polling, when another screen is shown. */
  stop() {
    this.isStopped = true;
    clearInterval(this.timer);
  }

  async poll() {
    if (this.isPaused || document.hidden) return;
    try {
      await this.look();
      this.problem.hidden = true;
    } catch (error) {
      this.problem.textContent = error.message;
      this.problem.hidden = false;
    }
  }

  async look() {
    if (this.isAsking) return;  // two answers to one question would show each event twice
    this.isAsking = true;
    try {
      let answer = await ask("GET", `/v1/events?after=${this.next}`);
      if (answer.next < this.next) answer = await ask("GET", "/v1/events?after=0");  // an agent that started again
      this.next = answer.next;
      for (const event of answer.events) this.rows.prepend(this.row(event));
      while (this.rows.children.length > MOST_SHOWN) this.rows.lastChild.remove();
      this.empty.hidden = this.rows.children.length > 0;
      this.log.hidden = !this.empty.hidden;
    } finally {
      this.isAsking = false;
    }
  }

  row({ time: at, level, message }) {
    const kind = level === "error" ? "bad" : level?.startsWith("warn") ? "soon" : "";
    return element("li", { class: kind }, time(at, true), " ", element("span", {}, message ?? ""));
  }
}
