// Two minutes of a figure, as a line that ends now.

import { h, svg } from "/console/dom.js";

const SECONDS = 120;
const HIGH = 36;

/** A figure with its history: `read` gives each line's value of a second, `unit` words one, `show` a second's all. `draw(history)` takes the
 * seconds, the newest last. */
export function figure(label, read, unit, kind = "", show = (second) => unit(read[0](second))) {
  const value = h("strong", {}, "–");
  const most = h("span", { class: "most" });
  const lines = read.map((_, index) => svg("path", { class: index ? "line second" : "line" }));
  const area = svg("path", { class: "area" });
  const chart = svg("svg", { viewBox: `0 0 ${SECONDS} ${HIGH}`, preserveAspectRatio: "none", role: "img", "aria-label": `${label} in the last two minutes` }, area, ...lines);
  const element = h("figure", { class: `figure ${kind}` }, h("figcaption", {}, label, most), value, chart);

  const draw = (history) => {
    const now = Date.parse(history.at(-1).at);
    const series = read.map((one) => history.map((second) => [SECONDS - (now - Date.parse(second.at)) / 1000, one(second)]));
    const top = Math.max(...series.flat().map(([, y]) => y ?? 0));
    const scale = top || 1;
    series.forEach((points, index) => lines[index].setAttribute("d", path(points, scale)));
    area.setAttribute("d", filled(series[0], scale));
    value.textContent = show(history.at(-1));
    most.textContent = top ? `max ${unit(top)}` : "";
    element.classList.toggle("idle", !top);
  };
  return { element, draw };
}

function path(points, scale) {
  let text = "";
  let pen = "M";
  for (const [x, y] of points) {
    if (y === null || y === undefined) {
      pen = "M";
      continue;
    }
    text += `${pen}${x.toFixed(1)} ${high(y, scale)}`;
    pen = "L";
  }
  return text;
}

function filled(points, scale) {
  const there = points.filter(([, y]) => y !== null && y !== undefined);
  if (there.length < 2) return "";
  return `M${there[0][0].toFixed(1)} ${HIGH}${path(there, scale).replace("M", "L")}L${there.at(-1)[0].toFixed(1)} ${HIGH}Z`;
}

function high(y, scale) {
  return (HIGH - 2 - (y / scale) * (HIGH - 5)).toFixed(1);
}
