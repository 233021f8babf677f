// What a request did, and when: a row for each span, its bar to scale, and the plan's edges drawn between the steps.

import { chip, h, svg } from "/console/dom.js";
import { ms, step as niceStep } from "/console/format.js";

const OUTCOMES = { failed: "bad", fallback: "warn", skipped: "calm", cancelled: "calm", ended: "calm" };
const CACHE = { hit: "good", stale: "warn", revalidated: "good", miss: "calm", bypass: "calm", collapsed: "path" };

/** Spans in the order in which they are read, each with its depth and the parts of its bar. Pure. */
export function layOut(trace) {
  const below = new Map();
  for (const span of trace.spans) {
    if (!below.has(span.parent)) below.set(span.parent, []);
    below.get(span.parent).push(span);
  }
  const critical = new Set(trace.critical);
  const rows = [];
  const known = new Set(trace.spans.map((span) => span.id));
  const upstream = new Map(trace.spans.filter((span) => span.role === "step").map((span) => [span.id, span.attributes["gateway.upstream.name"]]));
  const visit = (span, depth) => {
    const inside = (below.get(span.id) ?? []).sort((one, other) => one.start_ms - other.start_ms);
    rows.push({ span, depth, isCritical: depth === 0 || critical.has(span.id), marks: marksOf(span, trace, upstream.get(span.parent)), waits: waitsOf(span, inside) });
    for (const child of inside) visit(child, depth + 1);
  };
  for (const span of trace.spans) if (span.parent === null || !known.has(span.parent)) visit(span, 0);
  return { rows, length: Math.max(0.001, ...trace.spans.map((span) => span.start_ms + span.duration_ms)) };
}

/** Times within a span in which it waited for something other than an upstream: `[from, to, why]`. */
function waitsOf(span, inside) {
  const waits = [];
  const permit = 1000 * (span.attributes["gateway.bulkhead.delay"] ?? 0);
  if (permit > 0.05) waits.push([span.start_ms, span.start_ms + permit, "waited for a permit"]);
  const attempts = inside.filter((one) => one.role === "attempt");
  let end = null;
  for (const one of attempts) {
    if (end !== null && one.start_ms - end > 0.05) waits.push([end, one.start_ms, "waited before another attempt"]);
    end = Math.max(end ?? 0, one.start_ms + one.duration_ms);
  }
  if (span.attributes["gateway.cache.status"] === "collapsed") waits.push([span.start_ms, span.start_ms + span.duration_ms, "waited for the call of another request"]);
  return waits;
}

/** What there is to say of a span in a word or two: `[text, kind, title]`. */
function marksOf(span, trace, usual) {
  const get = (name) => span.attributes[`gateway.${name}`];
  const marks = [];
  const status = span.attributes["http.response.status_code"];
  if (span.role === "server") {
    if (status) marks.push([status, status >= 500 ? "bad" : status >= 400 ? "warn" : "good"]);
    if (trace.complete === false) marks.push(["partial", "warn"]);
  }
  if (span.role === "attempt") marks.push(...ofAttempt(span, status, usual));
  if (span.role === "step" || span.role === "undo") {
    const outcome = get("step.outcome") ?? "cancelled";
    if (outcome !== "ok") marks.push([outcome, OUTCOMES[outcome] ?? "calm", get("step.reason")]);
    if (get("step.items") !== undefined) marks.push([`${get("step.items")} items`, "calm"]);
    if (get("cache.status")) marks.push([`cache ${get("cache.status")}`, CACHE[get("cache.status")] ?? "calm"]);
    if (get("hedge")) marks.push([`hedge ${get("hedge")}`, get("hedge") === "won" ? "good" : "calm"]);
    if (get("retry.delay")) marks.push([`backed off ${ms(1000 * get("retry.delay"))}`, "warn"]);
    if (get("pause.delay")) marks.push([`paused ${ms(1000 * get("pause.delay"))}`, "warn"]);
    if (get("retry.over_budget")) marks.push(["over budget", "warn"]);
  }
  return marks;
}

function ofAttempt(span, status, usual) {
  const get = (name) => span.attributes[`gateway.${name}`];
  const marks = [];
  const retry = span.attributes["http.request.resend_count"];
  const error = span.attributes["error.type"];
  if (retry) marks.push([`retry ${retry}`, "path"]);
  if (usual && get("upstream.name") !== usual) marks.push([get("upstream.name"), "path", `in place of ${usual}`]);
  if (status) marks.push([status, status >= 500 ? "bad" : status >= 400 ? "warn" : "good"]);
  else if (error) marks.push([words(error), "bad", error]);
  else marks.push(["cut short", "calm", "another copy was first, or nobody waited any more"]);
  if (get("bulkhead.delay") > 0.00005) marks.push([`permit after ${ms(1000 * get("bulkhead.delay"))}`, "warn"]);
  if (get("breaker.state")) marks.push([`breaker ${get("breaker.state")}`, "bad"]);
  if (get("throttle.share")) marks.push(["throttled", "bad"]);
  if (get("injected")) marks.push([`injected ${get("injected")}`, "warn"]);
  return marks;
}

/** `gateway.errors.AttemptTimeout` → `attempt timeout`. */
export function words(error) {
  return error.split(".").pop().replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
}

/** The name that a span is read by. */
export function nameOf(span) {
  return span.role === "step" ? span.step : span.name;
}

/** The picture of a trace. `choose` is called with the span that somebody wants to know more of. */
export function waterfall(trace, choose) {
  const { rows, length } = layOut(trace);
  const body = h("div", { role: "rowgroup", class: "spans" }, ...rows.map((row, index) => rowOf(row, length, index)));
  const table = h("div", { class: "waterfall", role: "treegrid", "aria-label": "Spans", "aria-rowcount": rows.length + 1 },
    h("div", { role: "rowgroup" }, h("div", { role: "row", class: "head" },
      h("span", { role: "columnheader" }, "Span"),
      h("span", { role: "columnheader", class: "axis", "aria-label": `Time, from 0 to ${ms(length)}` }, ...ticks(length).map((tick) => label(tick, length))),
      h("span", { role: "columnheader", class: "took" }, "Took"))),
    body);
  const pick = (element) => {
    if (!element) return;
    for (const other of body.querySelectorAll("[tabindex='0']")) other.tabIndex = -1;
    body.querySelector("[aria-selected=true]")?.setAttribute("aria-selected", "false");
    element.tabIndex = 0;
    element.setAttribute("aria-selected", "true");
    choose(rows[element.dataset.row].span);
  };
  body.addEventListener("click", ({ target }) => pick(target.closest("[role=row]")));
  body.addEventListener("keydown", (event) => {
    const next = { ArrowDown: event.target.nextElementSibling, ArrowUp: event.target.previousElementSibling, Home: body.firstElementChild, End: body.lastElementChild, Enter: event.target, " ": event.target }[event.key];
    if (!next) return;
    event.preventDefault();
    next.focus();
    pick(next);
  });
  return h("div", { class: "fall" }, h("div", { class: "plot" }, h("div", { class: "sheet" }, backdrop(rows, trace.edges, length), table)), legend());
}

function rowOf({ span, depth, isCritical, marks, waits }, length, index) {
  const percent = (value) => `${(100 * value) / length}%`;
  const classes = ["bar", span.role, isCritical ? "critical" : "", span.error ? "error" : "", span.attributes["gateway.step.outcome"] ?? ""];
  const when = `from ${ms(span.start_ms)} for ${ms(span.duration_ms)}${isCritical ? ", on the critical path" : ""}`;
  return h("div", { role: "row", "aria-level": depth + 1, "aria-selected": "false", tabindex: index ? "-1" : "0", "data-row": index, class: isCritical ? "critical" : null },
    h("span", { role: "gridcell", class: "name", style: { "--depth": depth } },
      h("span", { class: `label ${span.role}` }, nameOf(span)),
      ...marks.map(([text, kind, title]) => chip(text, kind, title))),
    h("span", { role: "gridcell", class: "lane", "aria-label": when },
      h("i", { class: classes.filter(Boolean).join(" "), style: { left: percent(span.start_ms), width: percent(span.duration_ms) } }),
      ...waits.map(([from, to, why]) => h("i", { class: "wait", title: why, style: { left: percent(from), width: percent(to - from) } }))),
    h("span", { role: "gridcell", class: "took" }, ms(span.duration_ms)));
}

function ticks(length) {
  const step = niceStep(length, 5);
  return Array.from({ length: Math.floor(length / step + 0.001) + 1 }, (_, index) => index * step);
}

function label(tick, length) {
  const share = tick / length;
  const text = tick >= 1000 ? `${tick / 1000} s` : `${Number(tick.toPrecision(3))}${tick === 0 ? "" : " ms"}`;
  return h("span", { class: share > 0.94 ? "last" : null, style: { left: `${100 * share}%` } }, text);
}

/** Behind the bars: the axis' lines, and from the end of each step to the beginning of those that waited for it an edge. */
function backdrop(rows, edges, length) {
  const found = new Map(rows.map((row, index) => [row.span.role === "step" ? row.span.step : null, { ...row, index }]));
  const lines = ticks(length).map((tick) => svg("line", { x1: (1000 * tick) / length, x2: (1000 * tick) / length, y1: 0, y2: rows.length, class: "tick" }));
  const paths = edges.flatMap((edge) => {
    const [from, to] = [found.get(edge.from), found.get(edge.to)];
    if (!from || !to) return [];
    const ended = (1000 * (from.span.start_ms + from.span.duration_ms)) / length;
    const began = (1000 * to.span.start_ms) / length;
    const isCritical = from.isCritical && to.isCritical && Math.abs(ended - began) < 15;
    return svg("path", { d: `M${ended} ${from.index + 0.5}V${to.index + 0.5}H${began}`, class: isCritical ? "edge critical" : "edge" });
  });
  return svg("svg", { class: "backdrop", viewBox: `0 0 1000 ${rows.length}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...lines, ...paths);
}

function legend() {
  const key = (kind, text) => h("span", {}, h("i", { class: kind, "aria-hidden": "true" }), text);
  return h("p", { class: "legend" }, key("bar critical", "critical path"), key("bar", "beside it"), key("wait", "waiting"), key("bar error", "failed"), key("edge", "waited for"));
}
