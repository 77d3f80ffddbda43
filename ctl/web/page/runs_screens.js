// SPDX-License-Identifier: Apache-2.0
// The screens Runs and of one run.

import { ask } from "./agent.js";
import { openQuestion } from "./dialog.js";
import { announce, button, element, table } from "./elements.js";
import { counted, time } from "./format.js";

const PAGE = 100;

export class Runs {
  title = "Runs";

  constructor() {
    this.rows = element("div", {});
    this.pages = 1;
    this.more = button("Show more", () => this.showMore());
    this.more.hidden = true;
    this.element = element("div", {},
      element("p", {}, "Secrets that a platform or you pushed for one pipeline. They are wiped when it completes."), this.rows,
      element("p", {}, this.more));
  }

  showMore() {
    this.pages += 1;
    this.load().catch((error) => announce(error.message));
  }

  /** Reads as many pages of the agent's list as are shown. */
  async load() {
    const runs = [];
    let next = "";
    for (let page = 0; page < this.pages && next !== undefined; page += 1) {
      const cursor = next ? `&cursor=${encodeURIComponent(next)}` : "";
      const answer = await ask("GET", `/v1/runs?limit=${PAGE}${cursor}`);
      runs.push(...answer.runs);
      next = answer.next;
    }
    this.more.hidden = next === undefined;
    this.rows.replaceChildren(runs.length === 0 ? element("p", { class: "empty" }, "No runs now.") : table("Runs", [
      { title: "Run", cell: ({ run }) => element("a", { href: `#/runs/${encodeURIComponent(run)}` }, run) },
      { title: "Owner", cell: ({ owner }) => owner },
      { title: "Secrets", cell: ({ secrets }) => String(secrets), kind: "number" },
      { title: "Jobs that hold it", cell: ({ holds }) => String(holds), kind: "number" },
      { title: "Ends with job", cell: (run) => run.until_job ? String(run.until_job) : "–" },
      { title: "Expires", cell: ({ expires }) => time(expires) },
    ], runs));
  }
}

export class OneRun {
  constructor(run) {
    this.run = run;
    this.title = `Run ${run}`;
    this.content = element("div", {});
    this.element = element("div", {}, element("p", {}, element("a", { href: "#/runs" }, "All runs")), this.content);
  }

  path() {
    return `/v1/runs/${encodeURIComponent(this.run)}`;
  }

  async load() {
    const run = await ask("GET", this.path());
    const facts = [["Owner", run.owner], ["Pushed", time(run.created)], ["Pushed by platform", run.platform],
      ["Ends with job", run.until_job], run.ended ? ["Ended", time(run.ended)] : ["Expires", time(run.expires)]];
    this.content.replaceChildren(
      element("dl", {}, ...facts.filter(([, fact]) => fact !== undefined)
        .flatMap(([word, fact]) => [element("dt", {}, word), element("dd", {}, fact)])),
      run.ended ? element("p", {}, "This run is complete; what is shown below is being wiped.")
        : element("p", {}, button("Complete", () => this.complete(run), "danger")),
      element("h2", {}, "Secrets"), this.secrets(run), element("h2", {}, "Jobs that hold it"), this.holders(run));
  }

  secrets({ secrets }) {
    if (secrets.length === 0) return element("p", { class: "empty" }, "None.");
    return table("Secrets of the run", [
      { title: "Name", cell: ({ name }) => element("code", {}, name) },
      { title: "Scope", cell: ({ scope }) => scope },
      { title: "Size", cell: ({ bytes }) => counted(bytes, "byte"), kind: "number" },
    ], secrets);
  }

  /** Shows jobs of this host, and of the nodes of a hub. */
  holders({ holds, nodes = [] }) {
    const rows = [...holds.map(({ job, since }) => ({ job, node: "this host", since })),
      ...nodes.flatMap(({ node, jobs, seen, lost }) => jobs.map((job) => ({ job, node, seen, lost })))];
    if (rows.length === 0) return element("p", { class: "empty" }, "No job holds it now.");
    return table("Jobs that hold the run", [
      { title: "Job", cell: ({ job }) => String(job) },
      { title: "Node", cell: ({ node }) => node },
      {
        title: "Since",
        cell: ({ since, seen, lost }) => since ? time(since)
          : element("span", { class: lost ? "bad" : "" }, "last seen ", time(seen), lost ? " (lost)" : ""),
      },
    ], rows);
  }

  async complete(run) {
    const isDone = await openQuestion({
      title: `Complete run ${run.run}?`,
      sentences: [`Its ${counted(run.secrets.length, "secret")} are wiped on all nodes. Jobs of this run that start `
        + "later get none. This cannot be undone."],
      action: "Complete",
      act: () => ask("DELETE", this.path(), { generation: run.generation }),
    });
    if (!isDone) {  // the run may have been pushed again
      await this.load().catch((error) => announce(error.message));
      return;
    }
    announce(`Run ${run.run} is complete.`);
    if (this.element.isConnected) location.hash = "#/runs";
  }
}
