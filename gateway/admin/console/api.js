// The admin side's answers. A token, where one is needed, is kept for this tab alone.

const KEPT = "fanin.token";

let token = sessionStorage.getItem(KEPT);

/** What the admin side refuses, in its own words (RFC 9457). */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `status ${status}`);
    this.status = status;
    this.title = problem.title ?? "Refused";
  }
}

/** Use this token from now on; null forgets it. */
export function signIn(given) {
  token = given;
  if (given) sessionStorage.setItem(KEPT, given);
  else sessionStorage.removeItem(KEPT);
}

/** The JSON at a path. Throws `Refused`. */
export async function ask(path, { signal, body } = {}) {
  const response = await send(path, { signal, body, accept: "application/json" });
  return response.json();
}

/** Events of a stream, as `{event, data}`, until it ends or is aborted. `EventSource` could not bring a token. */
export async function* listen(path, signal) {
  const response = await send(path, { signal, accept: "text/event-stream" });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) yield read(text.slice(0, end));
  }
}

function read(block) {
  const fields = { event: "message", data: "" };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 1).trimStart();
  }
  return { event: fields.event, data: fields.data ? JSON.parse(fields.data) : null };
}

async function send(path, { signal, body, accept }) {
  const headers = { accept, ...(token && { authorization: `Bearer ${token}` }) };
  if (body !== undefined) headers["content-type"] = "application/json";
  const response = await fetch(path, { method: body === undefined ? "GET" : "POST", headers, signal, body: body && JSON.stringify(body) });
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new Refused(response.status, problem);
  }
  return response;
}
