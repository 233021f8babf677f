// Each endpoint's plan as a graph: what starts at once, what waits for what, and what each step is guarded by.

import { ask } from "/console/api.js";
import { chip, h, nothing, svg } from "/console/dom.js";
import { brief, ms, number, percent } from "/console/format.js";

const GAP = 46;
const ROOM = 16;
const AGAIN = 2000;

export async function showPlans(root, { rest, signal }) {
  const { plans } = await ask("/api/plans", { signal });
  const list = h("ul", { class: "endpoints", "aria-label": "Endpoints" }, ...plans.map(entry));
  const detail = h("section", { class: "detail", "aria-label": "Plan" });
  root.append(h("div", { class: "plans" }, h("section", { class: "list" }, h("h1", {}, "Plans"), list), detail));

  let shown = null;

  function choose(name) {
    const plan = plans.find((one) => nameOf(one) === name) ?? plans[0];
    if (!plan) return detail.replaceChildren(nothing("There is no endpoint"));
    for (const link of list.querySelectorAll("a")) link.toggleAttribute("aria-current", link.dataset.name === nameOf(plan));
    list.querySelector("[aria-current]")?.setAttribute("aria-current", "true");
    const picture = graph(plan);
    const since = h("p", { class: "since" });
    detail.replaceChildren(head(plan), picture.element, since, written(plan), printed(plan));
    shown = { plan, picture, since };
    picture.draw();
    look();
  }

  /** What the steps of the shown plan have come to. */
  async function look() {
    const { plan, picture, since } = shown;
    const told = await ask(`/api/plans/${nameOf(plan).split("/").map(encodeURIComponent).join("/")}`, { signal }).catch(() => null);
    if (!told || shown?.plan !== plan) return;
    picture.tell(told.steps);
    since.textContent = told.steps.some((step) => step.live) ? `Figures are of all processes, ${told.live_seconds ? "in the last minute" : "since the gateway began"}.` : "";
  }

  choose(rest);
  window.addEventListener("resize", () => shown?.picture.draw(), { signal });
  const timer = setInterval(() => document.hidden || look(), AGAIN);
  signal.addEventListener("abort", () => clearInterval(timer));
  return (at) => {
    choose(at.rest);
    return true;
  };
}

function nameOf(plan) {
  return `${plan.method} ${plan.path}`;
}

function entry(plan) {
  return h("li", {}, h("a", { href: `#/plans/${encodeURIComponent(nameOf(plan))}`, "data-name": nameOf(plan) },
    h("span", { class: "target" }, h("b", {}, plan.method), " ", plan.path),
    plan.summary ? h("span", { class: "summary" }, plan.summary) : null));
}

function head(plan) {
  return h("header", { class: "top" },
    h("h2", {}, h("b", {}, plan.method), " ", plan.path),
    plan.summary ? h("p", { class: "sentence" }, plan.summary) : null,
    h("p", { class: "facts" },
      h("span", {}, `within ${ms(plan.timeout_ms)}`),
      h("span", { class: "mono", title: plan.config.file }, place(plan)),
      h("a", { href: `#/traces?endpoint=${encodeURIComponent(nameOf(plan))}` }, "its requests"),
      h("a", { href: `#/try?endpoint=${encodeURIComponent(nameOf(plan))}` }, "try it")));
}

function printed(plan) {
  return h("details", { class: "printed" }, h("summary", {}, "As ", h("code", {}, "gateway plan"), " prints it"),
    h("pre", { tabindex: "0" }, plan.text));
}

/** The lines of the config that it comes from, those of its steps marked. */
function written(plan) {
  if (!plan.config.lines.length) return null;
  const steps = new Map(plan.steps.map((step) => [step.line, step.name]));
  return h("details", { class: "printed", id: "config" }, h("summary", {}, "In ", h("code", {}, place(plan))),
    h("pre", { tabindex: "0", class: "config" }, ...plan.config.lines.map((line, index) => {
      const number = plan.config.line + index;
      return h("span", { class: steps.has(number) ? "line step" : "line", "data-line": number }, h("i", { "aria-hidden": "true" }, String(number)), `${line}\n`);
    })));
}

/** Show a line of the config. */
function reveal(number) {
  const config = document.getElementById("config");
  if (!config) return;
  config.open = true;
  config.querySelector(".shown")?.classList.remove("shown");
  const line = config.querySelector(`[data-line="${number}"]`);
  line?.classList.add("shown");
  line?.scrollIntoView({ block: "center" });
}

/** The last two parts of where the config is. */
function place(plan) {
  return `${plan.config.file.split("/").slice(-2).join("/")}:${plan.config.line}`;
}

/** By step, how many others at least must have ended before it. Pure. */
export function layersOf(steps) {
  const byName = new Map(steps.map((step) => [step.name, step]));
  const layers = new Map();
  const layer = (step) => {
    if (!layers.has(step.name)) layers.set(step.name, Math.max(0, ...step.needs.filter((need) => byName.has(need)).map((need) => 1 + layer(byName.get(need)))));
    return layers.get(step.name);
  };
  steps.forEach(layer);
  return layers;
}

/** Sort each column by where those are that its steps wait for, so that fewer lines cross. */
function untangle(columns, needs) {
  const place = new Map();
  for (const column of columns) {
    const middle = (name) => {
      const known = (needs.get(name) ?? []).filter((need) => place.has(need));
      return known.length ? known.reduce((sum, need) => sum + place.get(need), 0) / known.length : 0;
    };
    column.sort((one, other) => middle(one) - middle(other));
    column.forEach((name, index) => place.set(name, column.length > 1 ? index / (column.length - 1) : 0.5));
  }
}

function graph(plan) {
  const layers = layersOf(plan.steps);
  const last = 1 + Math.max(0, ...layers.values());
  const nodes = new Map([["", h("li", { class: "node end" }, h("strong", {}, "request"))], ...plan.steps.map((step) => [step.name, node(step)]), ["→", h("li", { class: "node end" }, h("strong", {}, "answer"))]]);
  const columns = Array.from({ length: last + 2 }, () => []);
  columns[0].push("");
  for (const step of plan.steps) columns[layers.get(step.name) + 1].push(step.name);
  columns[last + 1].push("→");
  untangle(columns, new Map(plan.steps.map((step) => [step.name, step.needs])));
  const needed = new Set(plan.steps.flatMap((step) => step.needs));
  const edges = plan.steps.flatMap((step) => [
    ...(step.needs.length ? step.needs : [""]).map((need) => ({ from: need, to: step.name, optional: step.optional })),
    ...(needed.has(step.name) ? [] : [{ from: step.name, to: "→", optional: step.optional }]),
  ]);
  const lines = svg("svg", { class: "edges", "aria-hidden": "true" });
  const list = h("ul", { class: "nodes" }, ...nodes.values());
  const element = h("div", { class: "graph", tabindex: "0", role: "group", "aria-label": `Graph of ${nameOf(plan)}, from the request on the left to the answer on the right` }, h("div", { class: "canvas" }, lines, list));

  function draw() {
    const size = new Map([...nodes].map(([name, one]) => [name, { width: one.offsetWidth, height: one.offsetHeight }]));
    const heights = columns.map((column) => column.reduce((sum, name) => sum + size.get(name).height + ROOM, -ROOM));
    const high = Math.max(...heights);
    const at = new Map();
    let x = 0;
    columns.forEach((column, index) => {
      const width = Math.max(0, ...column.map((name) => size.get(name).width));
      let y = (high - heights[index]) / 2;
      for (const name of column) {
        at.set(name, { x, y, ...size.get(name) });
        nodes.get(name).style.transform = `translate(${x}px, ${y}px)`;
        y += size.get(name).height + ROOM;
      }
      x += width + GAP;
    });
    const wide = x - GAP;
    element.firstChild.style.width = `${wide}px`;
    element.firstChild.style.height = `${high}px`;
    lines.setAttribute("viewBox", `0 0 ${wide} ${high}`);
    lines.replaceChildren(...edges.map((edge) => svg("g", {}, svg("path", { d: curve(at.get(edge.from), at.get(edge.to)), class: edge.optional ? "edge optional" : "edge" }), svg("path", { d: tip(at.get(edge.to)), class: "edge" }))));
  }

  function tell(steps) {
    for (const step of steps) nodes.get(step.name).querySelector(".numbers").replaceChildren(...figures(step.live));
    draw();
  }
  return { element, draw, tell };
}

function curve(from, to) {
  const [x1, y1, x2, y2] = [from.x + from.width, from.y + from.height / 2, to.x, to.y + to.height / 2];
  // Straight over what lies between, and bent only where it leaves and arrives.
  const bend = GAP * 0.6;
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}

function tip(to) {
  const [x, y] = [to.x - 1, to.y + to.height / 2];
  return `M${x - 6} ${y - 4}L${x} ${y}L${x - 6} ${y + 4}`;
}

function node(step) {
  const said = [step.when ? `when ${step.when}` : null, step.loop, step.fallback ? `else ${step.fallback}` : null].filter(Boolean);
  return h("li", { class: step.optional ? "node optional" : "node" },
    h("p", { class: "name" }, h("strong", {}, step.name), step.line ? h("button", { class: "at", type: "button", click: () => reveal(step.line) }, `line ${step.line}`) : null),
    h("p", { class: "mono" }, step.call),
    step.needs.length ? h("p", { class: "hidden" }, `after ${step.needs.join(", ")}`) : null,
    ...said.map((words) => h("p", { class: "said" }, words)),
    step.optional || step.policies.length ? h("p", { class: "policies" }, step.optional ? chip("optional") : null, ...step.policies.map((policy) => chip(policy))) : null,
    h("dl", { class: "numbers" }));
}

/** What there is to say of a step that has been run. */
function figures(live) {
  if (!live) return [];
  const pairs = [["calls", number(live.calls)], live.errors ? ["failed", number(live.errors), "bad"] : null, ["p50", brief(live.p50_ms)], ["p99", brief(live.p99_ms)], live.cache_hit_rate === null ? null : ["cached", percent(live.cache_hit_rate)]];
  return pairs.filter(Boolean).map(([name, value, kind]) => h("div", { class: kind }, h("dt", {}, name), h("dd", {}, value)));
}
