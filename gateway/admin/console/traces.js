// Requests that were kept: a list to search, and one of them told beside it.

import { ask } from "/console/api.js";
import { chip, h, nothing, say } from "/console/dom.js";
import { clock, count, kindOf, ms } from "/console/format.js";
import { story } from "/console/story.js";

const PAGE = 200;
const FILTERS = ["q", "endpoint", "status", "step", "min_ms"];
const STATUSES = [["", "any status"], ["2xx", "2xx"], ["4xx", "4xx"], ["5xx", "5xx"], ["partial", "partial"]];
const KINDS = { failed: "bad", fallback: "warn" };
const SLOW = [["", "any time"], ["100", "over 100 ms"], ["300", "over 300 ms"], ["1000", "over 1 s"]];

export async function showTraces(root, { rest, query, about, signal }) {
  const isSearching = query.has("search");
  query.delete("search");
  const list = h("ol", { class: "requests", "aria-label": "Requests, the newest first" });
  const more = h("button", { class: "quiet", click: () => load() }, "Older requests");
  const told = h("p", { class: "told", role: "status" });
  const detail = h("section", { class: "detail", "aria-label": "One request" });
  const view = h("div", { class: "traces" },
    h("section", { class: "list", "aria-label": "Requests" }, h("h1", {}, "Traces"), filters(query, search), told, list, more),
    detail);
  root.append(view);

  let before = null;
  let chosen = null;
  let slowest = 1;

  async function load() {
    const wanted = new URLSearchParams({ limit: PAGE });
    for (const name of FILTERS) if (query.get(name)) wanted.set(name, query.get(name));
    if (before !== null) wanted.set("before", before);
    const page = await ask(`/api/traces?${wanted}`, { signal });
    const rows = page.traces.filter((one) => one.method);
    slowest = Math.max(slowest, ...rows.map((one) => one.duration_ms));
    list.append(...rows.map((one) => entry(one, query)));
    list.style.setProperty("--slowest", slowest);
    before = page.before;
    more.hidden = before === null;
    told.textContent = list.children.length ? count(list.children.length, "request") + (before === null ? "" : ", and older ones") : "";
    if (!list.children.length) told.replaceChildren(empty(query));
    mark();
  }

  async function search(changes) {
    query = new URLSearchParams(changes);
    history.replaceState(null, "", place(chosen, query));
    before = null;
    list.replaceChildren();
    try {
      await load();
    } catch (error) {
      if (!signal.aborted) told.textContent = error.message;
    }
  }

  async function choose(id) {
    chosen = id || null;
    view.classList.toggle("split", Boolean(chosen));
    mark();
    if (!chosen) return detail.replaceChildren();
    const wanted = chosen;
    try {
      const [id, span] = chosen.split("/");
      const trace = await ask(`/api/traces/${id}${span ? `?span=${span}` : ""}`, { signal });
      if (wanted !== chosen) return;
      detail.replaceChildren(h("a", { class: "back", href: place(null, query) }, "All requests"), story(trace, about));
      say(`${trace.method ?? ""} ${trace.target ?? trace.path}, ${trace.status ?? "no status"}, ${ms(trace.duration_ms)}`);
    } catch (error) {
      if (!signal.aborted) detail.replaceChildren(nothing("This trace is not here", error.message));
    }
  }

  function mark() {
    list.querySelector("[aria-current]")?.removeAttribute("aria-current");
    const row = chosen && list.querySelector(`a[data-id^="${CSS.escape(chosen)}"]`);
    row?.setAttribute("aria-current", "true");
    row?.scrollIntoView({ block: "nearest" });
  }

  root.addEventListener("key", ({ detail: key }) => {
    const links = [...list.querySelectorAll("a")];
    if (key === "Escape") location.hash = place(null, query);
    else if (links.length) {
      const now = chosen ? links.findIndex((link) => link.dataset.id.startsWith(chosen)) : -1;
      const next = links[Math.min(Math.max(now + (key === "j" ? 1 : -1), 0), links.length - 1)];
      chosen = next.dataset.id; // at once: the next key may come before the address has changed
      location.replace(next.hash);
      next.focus({ preventScroll: true });
    }
  }, { signal });

  await Promise.all([load(), choose(rest)]);
  if (isSearching) view.querySelector("input[type=search]").focus();

  return (at) => {
    if (at.query.toString() !== query.toString()) return false;
    choose(at.rest);
    return true;
  };
}

/** Where a trace is, or one of its requests, as in `ID/SPAN`, or the list; with what is searched for. */
function place(id, query) {
  return `#/traces${id ? `/${id}` : ""}${query.size ? `?${query}` : ""}`;
}

function filters(query, search) {
  const form = h("form", { class: "filters", role: "search", submit: (event) => event.preventDefault() },
    h("input", { type: "search", name: "q", placeholder: "Path or trace id", "aria-label": "Path or trace id", value: query.get("q") }),
    choice("status", "Status", STATUSES, query),
    choice("min_ms", "Duration", SLOW, query),
    h("input", { name: "step", placeholder: "step:outcome", "aria-label": "Step, or step and outcome such as orders:failed", value: query.get("step"), class: "short" }),
    h("input", { name: "endpoint", placeholder: "Endpoint", "aria-label": "Endpoint, as in /v1/home/{user_id}", value: query.get("endpoint") }),
  );
  let timer = null;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => search([...new FormData(form)].filter(([, value]) => value.trim())), 200);
  });
  return form;
}

function choice(name, label, options, query) {
  const select = h("select", { name, "aria-label": label }, ...options.map(([value, text]) => h("option", { value }, text)));
  select.value = query.get(name) ?? "";
  return select;
}

/** One request of a list. */
export function entry(one, query = new URLSearchParams()) {
  const wrong = Object.entries(one.steps).filter(([, outcome]) => outcome !== "ok");
  const kind = kindOf(one.status, one.complete);
  return h("li", {},
    h("a", { href: place(`${one.id}/${one.span}`, query), "data-id": `${one.id}/${one.span}` },
      h("time", { datetime: one.at }, clock(one.at)),
      chip(one.status ?? "left", kind),
      h("span", { class: "target" }, h("b", {}, one.method), " ", one.target ?? one.path),
      h("span", { class: "wrongs" },
        one.complete === false && !wrong.length ? chip("partial", "warn") : null,
        ...wrong.slice(0, 3).map(([name, outcome]) => chip(`${name} ${outcome}`, KINDS[outcome])),
        wrong.length > 3 ? chip(`+${wrong.length - 3}`) : null),
      h("span", { class: "length", "aria-hidden": "true" }, h("i", { class: kind, style: { "--ms": one.duration_ms } })),
      h("span", { class: "took" }, ms(one.duration_ms)),
    ));
}

function empty(query) {
  return query.size
    ? nothing("Nothing is like that", "Other words, or fewer of them, may find more.")
    : nothing("No request yet", "As soon as one is answered it is here. ", h("a", { href: "#/try" }, "Make one"), ".");
}
