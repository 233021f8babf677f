// One request told: its head, its waterfall, and what there is to know of the span that was chosen.

import { ask } from "/console/api.js";
import { chip, h, say } from "/console/dom.js";
import { bytes, count, kindOf, moment, ms, pretty } from "/console/format.js";
import { nameOf, waterfall, words } from "/console/waterfall.js";

const LONGEST = 4096;

/** All there is to see of a trace. */
export function story(trace, about) {
  const panel = h("section", { class: "panel", "aria-label": "Span" });
  const choose = (span) => panel.replaceChildren(...spanOf(span, trace));
  choose(trace.spans[0]);
  return h("article", { class: "story" }, head(trace, about), sentence(trace), waterfall(trace, choose), panel);
}

function head(trace, about) {
  return h("header", { class: "top" },
    h("h2", {}, h("b", {}, trace.method ?? ""), " ", trace.target ?? trace.path),
    h("p", { class: "facts" },
      chip(trace.status ?? "no status", kindOf(trace.status, trace.complete)),
      trace.complete === false ? chip("partial", "warn") : null,
      h("strong", {}, ms(trace.duration_ms)),
      h("span", {}, moment(trace.at)),
      h("span", { class: "mono" }, trace.path),
      h("span", {}, `process ${trace.service.process}`)),
    h("p", { class: "deeds" },
      h("code", { class: "id" }, trace.id),
      h("button", { class: "quiet", click: () => copy(trace.id) }, "Copy id"),
      h("button", { class: "quiet", click: () => download(trace) }, "OTLP JSON"),
      about.jaeger ? h("a", { class: "quiet", href: `${about.jaeger}/trace/${trace.id}`, rel: "noreferrer", target: "_blank" }, "Open in Jaeger") : null));
}

/** What the answer waited for, in words. */
function sentence(trace) {
  const on = new Set(trace.critical);
  const steps = trace.spans.filter((span) => span.role === "step" && on.has(span.id)).map((span) => span.step);
  const lacking = Object.entries(trace.explain).filter(([, told]) => ["failed", "fallback", "skipped"].includes(told.outcome));
  return h("p", { class: "sentence" },
    steps.length ? ["The answer waited for ", ...joined(steps), ". "] : "The answer waited for no step. ",
    ...lacking.flatMap(([name, told]) => [h("b", {}, name), ` ${WORDS[told.outcome](told.reason ?? "")}. `]));
}

const WORDS = {
  failed: (reason) => `failed: ${reason}`,
  fallback: (reason) => `failed (${reason}), and something stood in for it`,
  skipped: (reason) => `was skipped: ${reason}`,
};

function joined(names) {
  return names.flatMap((name, index) => [index ? ", then " : "", h("b", {}, name)]);
}

function spanOf(span, trace) {
  const told = span.role === "step" ? trace.explain[span.step] : null;
  return [
    h("h3", {}, nameOf(span), " ", h("span", { class: "kind" }, span.role)),
    told ? h("p", { class: "why" }, ...whyOf(told)) : null,
    span.role === "attempt" ? callOf(span) : null,
    span.attributes["error.type"] ? h("p", { class: "why" }, "It failed: ", h("b", {}, words(String(span.attributes["error.type"]))), ".") : null,
    facts([
      ["began", ms(span.start_ms)],
      ["took", ms(span.duration_ms)],
      ["critical path", trace.critical.includes(span.id) || span.parent === null ? "on it" : "beside it"],
      ...waitsOf(told),
      ...span.links.map((link) => ["linked to", h("a", { href: `#/traces/${link.trace}` }, h("code", {}, link.trace.slice(0, 16)))]),
    ]),
    h("details", { open: true }, h("summary", {}, count(Object.keys(span.attributes).length, "attribute")),
      facts(Object.entries(span.attributes).map(([name, value]) => [name, String(value)]), "attributes")),
    ...bodiesOf(span),
  ].filter(Boolean);
}

/** The call as it was sent, and as the config has it. */
function callOf(span) {
  const { "http.request.method": method, "url.full": url = "", "url.template": template } = span.attributes;
  const query = span.exchange?.target.split(/(?=\?)/)[1] ?? "";
  return h("p", { class: "call" }, h("code", {}, h("b", {}, method), ` ${url}${query}`),
    template ? h("small", {}, "written as ", h("code", {}, template)) : null);
}

function bodiesOf(span) {
  if (span.role !== "attempt") return [];
  if (!span.exchange) return [h("p", { class: "hint" }, "What is asked for in a query, and bodies, are kept where the config says ", h("code", {}, "console: {bodies: true}"), ".")];
  return [["Sent", span.exchange.sent], ["Came back", span.exchange.came]].filter(([, body]) => body).map(([title, body]) => bodyOf(title, body));
}

function bodyOf(title, { type, size, text }) {
  const what = `${bytes(size)}${type ? ` of ${type.split(";")[0]}` : ""}`;
  if (text === null) return h("p", { class: "hint" }, h("b", {}, title), ` ${what}: not shown, since nobody can tell what in it is secret.`);
  return h("details", { open: true, class: "body" }, h("summary", {}, title, " ", h("small", {}, what, size > LONGEST ? `, the first ${bytes(LONGEST)} of which were kept` : "")),
    h("pre", { tabindex: "0", "aria-label": title }, pretty(text)));
}

/** Why a step ran when it ran, as a sentence. */
function whyOf(told) {
  const why = told.why === "ran at once" ? "It needs no other step, so it ran at once." : told.why.startsWith("after ") ? `It ran after ${told.why.slice(6)}, whose replies it needs.` : `It was ${told.why}.`;
  const shown = told.why.startsWith("skipped") || !told.reason;
  return [why, shown ? "" : ` It came to ${told.outcome}: ${told.reason}.`];
}

function waitsOf(told) {
  if (!told) return [];
  const { waits, cache } = told;
  return [
    told.attempts > 1 ? ["attempts", String(told.attempts)] : null,
    waits.bulkhead_ms ? ["waited for permits", ms(waits.bulkhead_ms)] : null,
    waits.backoff_ms ? ["backed off", ms(waits.backoff_ms)] : null,
    waits.pause_ms ? ["paused", ms(waits.pause_ms)] : null,
    waits.coalesced_with ? ["shared the call of", h("a", { href: `#/traces/${waits.coalesced_with.split("-")[0]}` }, h("code", {}, waits.coalesced_with.slice(0, 16)))] : null,
    cache.status ? ["cache", cache.ttl === null ? cache.status : `${cache.status}, fresh for ${cache.ttl} s`] : null,
  ].filter(Boolean);
}

function facts(pairs, more = "") {
  return h("dl", { class: `facts-of ${more}` }, ...pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

async function copy(text) {
  await navigator.clipboard?.writeText(text);
  say("Copied");
}

async function download(trace) {
  const told = await ask(`/api/traces/${trace.id}/otlp?span=${trace.spans[0].id}`);
  const link = h("a", { href: URL.createObjectURL(new Blob([JSON.stringify(told, null, 2)], { type: "application/json" })), download: `${trace.id}.json` });
  link.click();
  URL.revokeObjectURL(link.href);
}
