// SPDX-License-Identifier: Apache-2.0
// Asks the agent, through secretctl web, which asks as the user whose page this is.

/** An answer that is no success. `status` is 0 if there was none. */
export class Problem extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

const NO_ANSWER = "secretctl web does not answer: it has ended, or the connection to it is cut; start it again, and "
  + "open the link that it shows";

/**
 * Sends a request and returns the answer's object; null if it has none. `generation`: only if the secret or run is
 * still this one, so that an old tab overwrites no change of a newer one; 0: only if there is none.
 */
export async function ask(method, path, { body, generation } = {}) {
  const headers = {};
  if (generation === 0) headers["If-None-Match"] = "*";
  else if (generation !== undefined) headers["If-Match"] = `"${generation}"`;
  let response;
  let text;
  try {
    response = await fetch(`api${path}`, { method, headers, body, cache: "no-store", redirect: "error" });
    text = await response.text();
  } catch {
    throw new Problem(0, NO_ANSWER);
  }
  let answer = null;
  try {
    answer = text === "" ? null : JSON.parse(text);
  } catch {
    throw new Problem(response.status, `the answer is not JSON (HTTP status ${response.status})`);
  }
  if (response.ok) return answer;
  throw new Problem(response.status, answer?.detail ?? `the answer has HTTP status ${response.status} and no reason`);
}

/** Returns the path of the user's own secrets, or of a workspace's. */
export function pathOfSecrets(workspace) {
  return workspace === undefined ? "/v1/secrets" : `/v1/workspaces/${encodeURIComponent(workspace)}/secrets`;
}
