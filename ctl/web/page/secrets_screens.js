// SPDX-License-Identifier: Apache-2.0
// The screens Your Secrets and Workspaces.

import { ask, pathOfSecrets } from "./agent.js";
import { element, table } from "./elements.js";
import { SecretList } from "./secret_list.js";

const UNAVAILABLE = 503;

export class YourSecrets {
  title = "Your Secrets";

  constructor() {
    this.list = new SecretList({ words: "your own" }, true);
    this.element = element("div", {},
      element("p", {}, "Jobs of yours get what they ask for by name. No one can read a value here, not even you."),
      this.list.element);
  }

  async load() {
    const { owner } = await this.list.load();
    document.getElementById("user").textContent = `of ${owner}`;
  }
}

export class Workspaces {
  title = "Workspaces";

  constructor() {
    this.rows = element("div", {});
    this.element = element("div", {},
      element("p", {}, "A workspace's secrets are for the jobs of all its members. Its admins set them."), this.rows);
  }

  async load() {
    const { workspaces } = await ask("GET", "/v1/workspaces");
    this.rows.replaceChildren(workspaces.length === 0
      ? element("p", { class: "empty" }, "You are in no workspace. The cluster's admins configure them.")
      : table("Workspaces", [
        {
          title: "Workspace",
          cell: ({ workspace }) => element("a", { href: `#/workspaces/${encodeURIComponent(workspace)}` }, workspace),
        },
        { title: "Your role", cell: ({ role }) => role },
        { title: "Secrets", cell: ({ secrets }) => String(secrets ?? "–"), kind: "number" },
      ], workspaces));
  }
}

export class OneWorkspace {
  constructor(workspace) {
    this.workspace = workspace;
    this.title = `Workspace ${workspace}`;
    this.content = element("div", {});
    this.element = element("div", {}, element("p", {}, element("a", { href: "#/workspaces" }, "All workspaces")), this.content);
  }

  async load() {
    const found = (await this.workspaces()).find(({ workspace }) => workspace === this.workspace);
    // If it is not among them, the agent says of this one what is wrong.
    const listed = found ?? await ask("GET", pathOfSecrets(this.workspace));
    const isAdmin = listed.role === "admin";
    if (this.list?.canChange !== isAdmin) {
      this.list = new SecretList({ workspace: this.workspace, words: `workspace ${this.workspace}` }, isAdmin);
      const sentence = isAdmin ? "You are an admin of this workspace."
        : "You are a member of this workspace: your jobs may ask for these names. Its admins set the values.";
      this.content.replaceChildren(element("p", {}, sentence), this.list.element);
    }
    await this.list.load();
  }

  /** Returns the user's workspaces; none while the agent cannot tell of one of them if the user is in it. */
  async workspaces() {
    try {
      return (await ask("GET", "/v1/workspaces")).workspaces;
    } catch (error) {
      if (error.status === UNAVAILABLE) return [];
      throw error;
    }
  }
}
