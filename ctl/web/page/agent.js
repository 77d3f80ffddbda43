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

const NO_PORTAL = "the portal does not answer: your login to it may have ended, or the connection is cut; reload the page";
const OTHER_PROCESS = "the secretctl web that this page came from has ended, so that nothing was sent; start it again, and "
  + "open the link that it shows";

function noAnswer() {
  return KEY === "" ? NO_PORTAL : NO_ANSWER;
}

function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Empty in a page of a portal, whose process listens in a folder that only the user can open. */
const KEY = document.querySelector("meta[name=key]").content;

/** Returns the keyed hash that only the process which served this page knows, too. */
async function proofOf(word) {
  const encoder = new TextEncoder();
  const imported = await crypto.subtle.importKey("raw", encoder.encode(KEY), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return hex(new Uint8Array(await crypto.subtle.sign("HMAC", imported, encoder.encode(word))));
}

/**
 * Checks that the process which served this page still listens: after it has ended another user of the host may listen
 * at its port, and would get what is sent. Throws a Problem if not.
 */
async function checkProcess() {
  if (KEY === "") return;
  const word = hex(crypto.getRandomValues(new Uint8Array(16)));
  let answer;
  try {
    answer = await fetch(`api/proof?word=${word}`, { cache: "no-store", redirect: "error" });
  } catch {
    throw new Problem(0, noAnswer());
  }
  const { proof, detail } = await answer.json().catch(() => ({}));
  if (!answer.ok && detail) throw new Problem(answer.status, detail);
  if (proof !== await proofOf(word)) throw new Problem(0, OTHER_PROCESS);
}

/**
 * Sends a request and returns the answer's object; null if it has none. `generation`: only if the secret or run is
 * still this one, so that an old tab overwrites no change of a newer one; 0: only if there is none.
 */
export async function ask(method, path, { body, generation } = {}) {
  if (body !== undefined) await checkProcess();
  const headers = {};
  if (generation === 0) headers["If-None-Match"] = "*";
  else if (generation !== undefined) headers["If-Match"] = `"${generation}"`;
  let response;
  let text;
  try {
    response = await fetch(`api${path}`, { method, headers, body, cache: "no-store", redirect: "error" });
    text = await response.text();
  } catch {
    throw new Problem(0, noAnswer());
  }
  let answer = null;
  try {
    answer = text === "" ? null : JSON.parse(text);
  } catch {
    const isSentence = response.headers.get("content-type")?.startsWith("text/plain");
    throw new Problem(response.status, isSentence ? text.trim() : `the answer is not JSON (HTTP status ${response.status})`);
  }
  if (response.ok) return answer;
  throw new Problem(response.status, answer?.detail ?? `the answer has HTTP status ${response.status} and no reason`);
}

/** Returns the path of the user's own secrets, or of a workspace's. */
export function pathOfSecrets(workspace) {
  return workspace === undefined ? "/v1/secrets" : `/v1/workspaces/${encodeURIComponent(workspace)}/secrets`;
}
