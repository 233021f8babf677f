// One request, made from here: its answer beside its waterfall.

import { ask, Refused } from "/console/api.js";
import { chip, h, nothing, say } from "/console/dom.js";
import { bytes, kindOf, ms, pretty } from "/console/format.js";
import { story } from "/console/story.js";

const LOOKS = 15;
const BETWEEN = 200;
const SECRET = /authorization|cookie|token|secret|password|api-?key/i;

export async function showTry(root, { query, about, signal }) {
  const [{ plans }, chaos] = await Promise.all([ask("/api/plans", { signal }), ask("/api/try/faults", { signal })]);
  const outcome = h("section", { class: "outcome", "aria-label": "Answer" });
  if (!plans.length) return void root.append(nothing("There is no endpoint to try"));
  const chosen = plans.find((plan) => nameOf(plan) === query.get("endpoint")) ?? plans[0];
  const fields = h("div", { class: "inputs" });
  const select = h("select", { id: "endpoint", name: "endpoint", change: () => offer(new URLSearchParams()) }, ...plans.map((plan) => h("option", {}, nameOf(plan))));
  select.value = nameOf(chosen);
  const send = h("button", { class: "send" }, "Send");
  const form = h("form", { class: "request", submit: (event) => { event.preventDefault(); run(); } },
    h("h1", {}, "Try"),
    field("Endpoint", "endpoint", select), fields,
    h("p", { class: "deeds" }, send,
      h("button", { type: "button", class: "quiet", click: () => copy(location.href, "Link copied") }, "Copy link"),
      h("button", { type: "button", class: "quiet", click: () => copy(curl(order(), about, chaos), "curl copied") }, "Copy as curl")),
    h("pre", { class: "curl", "aria-label": "As curl", tabindex: "0" }));
  root.append(h("div", { class: "try" }, form, outcome));
  form.addEventListener("input", keep);
  offer(query);
  outcome.append(nothing("The answer comes here", "and beside it what became of the request, step by step."));

  function plan() {
    return plans.find((one) => nameOf(one) === select.value);
  }

  function offer(values) {
    fields.replaceChildren(...inputs(plan(), values), ...faults(plan(), values, chaos));
    keep();
  }

  /** What the form says, as a request. */
  function order() {
    const given = new FormData(form);
    const path = plan().path.replace(/\{(\w+)[^}]*\}/g, (_, name) => encodeURIComponent(given.get(`path.${name}`) ?? ""));
    const named = [...given].filter(([name, value]) => name.startsWith("query.") && value).map(([name, value]) => `${encodeURIComponent(name.slice(6))}=${encodeURIComponent(value)}`);
    const search = [...named, (given.get("more") ?? "").trim().replace(/[^!-~]+/g, encodeURIComponent)].filter(Boolean).join("&");
    const headers = (given.get("headers") ?? "").split("\n").map((line) => line.split(/:(.*)/s)).filter(([name, value]) => name.trim() && value !== undefined).map(([name, value]) => [name.trim(), value.trim()]);
    const faults = Object.fromEntries([...given].filter(([name, value]) => name.startsWith("fault.") && value).map(([name, value]) => [name.slice(6), value]));
    return { method: plan().method, path: search ? `${path}?${search}` : path, headers, body: given.get("body") || null, faults };
  }

  /** The form in the address, without what should not be passed on. */
  function keep() {
    const given = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    const open = (given.get("headers") ?? "").split("\n").filter((line) => !SECRET.test(line.split(":")[0].trim())).join("\n");
    if (open) given.set("headers", open);
    else given.delete("headers");
    history.replaceState(null, "", `#/try?${given}`);
    form.querySelector(".curl").textContent = curl(order(), about, chaos);
  }

  async function run() {
    send.disabled = true;
    outcome.setAttribute("aria-busy", "true");
    try {
      const answer = await ask("/api/try", { signal, body: order() });
      outcome.replaceChildren(answered(answer));
      say(`Answered with ${answer.status} in ${ms(answer.duration_ms)}`);
      if (answer.trace) outcome.append(await told(answer.trace, about, signal));
    } catch (error) {
      if (!signal.aborted) outcome.replaceChildren(nothing(error instanceof Refused ? error.title : "No answer", error.message));
    } finally {
      send.disabled = false;
      outcome.removeAttribute("aria-busy");
    }
  }
}

function nameOf(plan) {
  return `${plan.method} ${plan.path}`;
}

function inputs(plan, values) {
  const declared = new Map(plan.inputs.map((input) => [`${input.in}.${input.name}`, input]));
  const names = [...plan.path.matchAll(/\{(\w+)/g)].map(([, name]) => `path.${name}`);
  const query = plan.inputs.filter((input) => input.in === "query").map((input) => `query.${input.name}`);
  return [
    ...[...names, ...query].map((name) => text(name, declared.get(name), values.get(name))),
    field("More of the query", "more", h("input", { id: "more", name: "more", placeholder: "a=1&b=2", value: values.get("more") })),
    field("Headers, one a line", "headers", h("textarea", { id: "headers", name: "headers", rows: 2, placeholder: "Accept-Language: en", spellcheck: "false" }, values.get("headers") ?? "")),
    plan.method === "GET" ? null : field("Body", "body", h("textarea", { id: "body", name: "body", rows: 5, spellcheck: "false", placeholder: "{}" }, values.get("body") ?? "")),
  ].filter(Boolean);
}

/** In the demo, a fault for each upstream that the endpoint calls, for this request alone. */
function faults(plan, values, { faults, upstreams }) {
  const called = Object.keys(upstreams).filter((name) => plan.upstreams.includes(name));
  if (!called.length) return [];
  return [h("fieldset", { class: "faults" },
    h("legend", {}, "Faults ", h("small", {}, "of the demo's services, for this request")),
    ...called.map((name) => {
      const id = `fault.${name}`;
      const control = h("select", { id, name: id }, h("option", { value: "" }, "none"), ...Object.keys(faults).map((fault) => h("option", { value: fault }, fault)));
      control.value = values.get(id) ?? "";
      return h("div", { class: "fault" }, h("label", { for: id }, name), control);
    }))];
}

function text(name, input, value) {
  const [where, short] = name.split(/\.(.*)/s);
  const hint = [where, input?.type].filter(Boolean).join(" · ");
  const isNeeded = where === "path" || input?.required;
  return field(short, name, h("input", { id: name, name, value: value ?? (where === "path" ? "42" : null), placeholder: input?.default ?? null, required: isNeeded }), hint, input?.description);
}

function field(label, id, control, hint = null, about = null) {
  if (about) control.setAttribute("aria-describedby", `${id}.about`);
  return h("div", { class: "field" }, h("label", { for: id }, label, hint ? h("small", {}, hint) : null), control, about ? h("small", { id: `${id}.about` }, about) : null);
}

function answered(answer) {
  return h("article", { class: "answer" },
    h("p", { class: "facts" }, chip(answer.status, kindOf(answer.status, answer.complete)), answer.complete === false ? chip("partial", "warn") : null, h("strong", {}, ms(answer.duration_ms)), h("span", {}, `${bytes(answer.size)}${answer.is_cut ? ", the beginning of which is shown" : ""}`)),
    h("details", {}, h("summary", {}, `${answer.headers.length} headers`), h("dl", { class: "facts-of attributes" }, ...answer.headers.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))))),
    h("pre", { tabindex: "0", "aria-label": "Body" }, pretty(answer.body)));
}

/** The story of a trace that is about to be written. */
async function told(id, about, signal) {
  try {
    for (let look = 0; look < LOOKS; look += 1) {
      const found = await ask(`/api/traces?q=${id}&limit=1`, { signal });
      if (found.traces.length) return story(await ask(`/api/traces/${id}`, { signal }), about);
      await new Promise((wake) => setTimeout(wake, BETWEEN));
    }
    return nothing("There is no waterfall", "This request was not kept in the journal.");
  } catch (error) {
    return nothing("There is no waterfall", error.message);
  }
}

/** The same from a terminal: with faults, these are switched on before and off after it. */
function curl({ method, path, headers, body, faults }, about, chaos) {
  const at = `${location.protocol}//${location.hostname}:${about.port ?? 8080}`;
  const words = ["curl", "-i", ...(method === "GET" ? [] : ["-X", method]), quoted(at + path)];
  for (const [name, value] of headers) words.push("-H", quoted(`${name}: ${value}`));
  if (body) words.push(...(headers.some(([name]) => /^content-type$/i.test(name)) ? [] : ["-H", quoted("content-type: application/json")]), "-d", quoted(body));
  const broken = Object.entries(faults).flatMap(([name, fault]) => (chaos.upstreams[name] ?? []).map((url) => [`${url}/_chaos`, chaos.faults[fault]]));
  return [
    ...broken.map(([url, setting]) => `curl -X PUT ${url} -d ${quoted(JSON.stringify(setting))}`),
    words.join(" "),
    ...broken.map(([url]) => `curl -X DELETE ${url}`),
  ].join("\n");
}

function quoted(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

async function copy(text, done) {
  await navigator.clipboard?.writeText(text);
  say(done);
}
