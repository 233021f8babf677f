// What happens, as it happens: figures, requests, upstreams.

import { listen, Refused } from "/console/api.js";
import { figure } from "/console/chart.js";
import { chip, h, nothing, say } from "/console/dom.js";
import { brief, ms, number, percent } from "/console/format.js";
import { entry } from "/console/traces.js";

const SECONDS = 120;
const SHOWN = 60;
const AGAIN = 2000;

export async function showLive(root, { signal }) {
  const rate = (value) => `${number(value)} /s`;
  const figures = [
    figure("Requests", [(one) => one.rate], rate),
    figure("p50 and p99", [(one) => one.p99_ms, (one) => one.p50_ms], ms, "", (one) => `${ms(one.p50_ms)} · ${ms(one.p99_ms)}`),
    figure("Errors", [(one) => one.errors], rate, "bad"),
    figure("Partial answers", [(one) => one.partial], rate, "warn"),
    figure("Cache hits", [(one) => one.cache_hit_rate], percent, "good"),
  ];
  const state = h("p", { class: "state" });
  const list = h("ol", { class: "requests flat", "aria-label": "Requests, the newest first" });
  const none = nothing("Waiting for a request", h("a", { href: "#/try" }, "Make one"), " and it appears here.");
  const upstreams = h("div", { class: "upstreams" });
  let paused = false;
  const pause = h("button", { class: "quiet", "aria-pressed": "false", click: () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
  } }, "Pause");
  root.append(h("div", { class: "live" },
    h("div", { class: "heading" }, h("h1", {}, "Live"), state),
    h("section", { class: "figures", "aria-label": "Figures" }, ...figures.map((one) => one.element)),
    h("section", { class: "stream", "aria-label": "Requests" }, h("div", { class: "heading" }, h("h2", {}, "Requests"), pause), none, list),
    h("section", { class: "hosts", "aria-label": "Upstreams" }, h("h2", {}, "Upstreams"), upstreams)));

  const history = [];

  function onRequest(one) {
    if (paused) return;
    none.hidden = true;
    list.prepend(entry(one));
    while (list.children.length > SHOWN) list.lastElementChild.remove();
  }

  function onSecond(second) {
    history.push(second);
    while (history.length > SECONDS) history.shift();
    for (const one of figures) one.draw(history);
    state.replaceChildren(h("i", { class: "beat", "aria-hidden": "true" }), second.workers === 1 ? "1 process" : `${second.workers} processes`);
    upstreams.replaceChildren(cards(second.upstreams));
  }

  async function hear() {
    let isLost = false;
    while (!signal.aborted) {
      try {
        for await (const { event, data } of listen("/api/live", signal)) {
          if (isLost) say("Connected again");
          isLost = false;
          if (event === "second") onSecond(data);
          else if (event === "request") onRequest(data);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Refused && error.status === 404) return state.replaceChildren(chip("no journal", "warn", error.message));
      }
      if (signal.aborted) return;
      if (!isLost) say("The connection is lost; trying again");
      isLost = true;
      state.replaceChildren(chip("not connected", "bad"), " trying again");
      await new Promise((wake) => setTimeout(wake, AGAIN));
    }
  }

  hear();
}

const BREAKER = { closed: "good", open: "bad", "half-open": "warn" };

function cards(upstreams) {
  if (!upstreams.length) return nothing("No endpoint calls an upstream");
  return h("ul", { class: "cards" }, ...upstreams.map((one) => h("li", { class: "card" },
    h("h3", {}, one.name),
    h("ul", { class: "places" }, ...one.hosts.map((host) => h("li", {},
      h("code", {}, host.url.replace(/^https?:\/\//, "")),
      host.breaker ? chip(breaking(host), BREAKER[host.breaker]) : null,
      host.healthy ? null : chip("unhealthy", "bad"),
      host.ejected ? chip("put out", "bad") : null,
      host.latency_ms === null ? null : h("span", {}, ms(host.latency_ms))))),
    one.permits ? permits(one.permits) : null,
    one.calls === null ? null : calls(one))));
}

/** Each process has its own breakers. */
function breaking({ breaker, breakers }) {
  const all = Object.values(breakers).reduce((sum, some) => sum + some, 0);
  return breakers[breaker] === all ? `breaker ${breaker}` : `breaker ${breaker} in ${breakers[breaker]} of ${all}`;
}

function calls(one) {
  return h("dl", { class: "numbers" },
    ...[["calls/s", number(one.calls), one.calls ? null : "none"], ["failed/s", number(one.errors), one.errors ? "bad" : "none"], ["retries/s", number(one.retries), one.retries ? "warn" : "none"], ["p50", brief(one.p50_ms)], ["p99", brief(one.p99_ms)]]
      .map(([name, value, kind]) => h("div", { class: kind }, h("dt", {}, name), h("dd", {}, value))));
}

function permits({ taken, of, waiting }) {
  return h("p", { class: "permits" },
    h("meter", { min: 0, max: of, value: taken, high: of * 0.8, optimum: 0, "aria-label": "Permits taken" }),
    ` ${taken} of ${of} permits`, waiting ? `, ${waiting} waiting` : "");
}
