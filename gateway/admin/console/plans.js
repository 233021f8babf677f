// Each endpoint's plan as a graph: what starts at once, what waits for what, and what each step is guarded by.

import { ask } from "/console/api.js";
import { chip, h, nothing, svg } from "/console/dom.js";
import { ms, number, percent } from "/console/format.js";

const GAP = 56;
const ROOM = 16;

export async function showPlans(root, { rest, signal }) {
  const { plans } = await ask("/api/plans", { signal });
  const list = h("ul", { class: "endpoints", "aria-label": "Endpoints" }, ...plans.map(entry));
  const detail = h("section", { class: "detail", "aria-label": "Plan" });
  root.append(h("div", { class: "plans" }, h("section", { class: "list" }, h("h1", {}, "Plans"), list), detail));

  let draw = null;

  function choose(name) {
    const plan = plans.find((one) => nameOf(one) === name) ?? plans[0];
    if (!plan) return detail.replaceChildren(nothing("There is no endpoint"));
    for (const link of list.querySelectorAll("a")) link.toggleAttribute("aria-current", link.dataset.name === nameOf(plan));
    list.querySelector("[aria-current]")?.setAttribute("aria-current", "true");
    const picture = graph(plan);
    detail.replaceChildren(head(plan), picture.element, text(plan));
    draw = picture.draw;
    draw();
  }

  choose(rest);
  window.addEventListener("resize", () => draw?.(), { signal });
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
      plan.config ? h("span", { class: "mono", title: plan.config.file }, `${plan.config.file.split("/").slice(-2).join("/")}:${plan.config.line}`) : null,
      h("a", { href: `#/traces?endpoint=${encodeURIComponent(nameOf(plan))}` }, "its requests"),
      h("a", { href: `#/try?endpoint=${encodeURIComponent(nameOf(plan))}` }, "try it")));
}

function text(plan) {
  return h("details", { class: "printed" }, h("summary", {}, "As ", h("code", {}, "gateway plan"), " prints it"),
    h("pre", { tabindex: "0" }, plan.text));
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
  return { element, draw };
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
    h("p", { class: "name" }, h("strong", {}, step.name), step.line ? h("span", { class: "at" }, `line ${step.line}`) : null),
    h("p", { class: "mono" }, step.call),
    step.needs.length ? h("p", { class: "hidden" }, `after ${step.needs.join(", ")}`) : null,
    ...said.map((words) => h("p", { class: "said" }, words)),
    step.optional || step.policies.length ? h("p", { class: "policies" }, step.optional ? chip("optional") : null, ...step.policies.map((policy) => chip(policy))) : null,
    step.live ? h("p", { class: "numbers" }, h("span", {}, `${number(step.live.calls)} /s`), h("span", {}, `${ms(step.live.p50_ms)} · ${ms(step.live.p99_ms)}`),
      step.live.errors ? h("span", { class: "bad" }, `${number(step.live.errors)} failed /s`) : null,
      step.live.cache_hit_rate === null ? null : h("span", {}, `${percent(step.live.cache_hit_rate)} cached`)) : null);
}
