// Which view is shown, the way in where a token is asked for, and the keys that work everywhere.

import { ask, Refused, signIn } from "/console/api.js";
import { h, nothing, say } from "/console/dom.js";
import { showLive } from "/console/live.js";
import { showPlans } from "/console/plans.js";
import { showTraces } from "/console/traces.js";
import { showTry } from "/console/try.js";

const VIEWS = {
  live: { title: "Live", show: showLive },
  traces: { title: "Traces", show: showTraces },
  plans: { title: "Plans", show: showPlans },
  try: { title: "Try", show: showTry },
};

const main = document.getElementById("main");
let leaving = null;
let shown = null;

/** `#/traces/ID?status=5xx` → its name, what follows, and its parameters. */
function place() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [name, ...rest] = path.split("/").map(decoded);
  return { name: name in VIEWS ? name : "live", rest: rest.join("/"), query: new URLSearchParams(query) };
}

/** What somebody has typed may be no encoding of anything. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function go() {
  const at = place();
  const view = VIEWS[at.name];
  if (shown?.name === at.name && shown.move?.(at)) return;
  leaving?.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  shown = { name: at.name };
  for (const link of document.querySelectorAll("nav a")) {
    link.toggleAttribute("aria-current", link.hash === `#/${at.name}`);
    if (link.hasAttribute("aria-current")) link.setAttribute("aria-current", "page");
  }
  document.title = `${view.title} · Fanin`;
  document.body.dataset.view = at.name;
  try {
    const about = await ask("/api", { signal });
    tellWhich(about);
    main.replaceChildren();
    shown.move = await view.show(main, { ...at, about, signal });
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof Refused && error.status === 401) askForToken(error);
    else main.replaceChildren(nothing(error.title ?? "The gateway does not answer", error.message));
  }
}

function tellWhich(about) {
  document.getElementById("which").textContent = `${about.version} · config ${about.revision}`;
}

function askForToken() {
  const field = h("input", { id: "token", type: "password", autocomplete: "current-password", required: true });
  const wrong = h("p", { class: "wrong", role: "alert" });
  const enter = async (event) => {
    event.preventDefault();
    signIn(field.value.trim());
    try {
      await ask("/api");
      go();
    } catch {
      signIn(null);
      wrong.textContent = "This is not the token.";
      field.select();
    }
  };
  main.replaceChildren(
    h("form", { class: "way-in", submit: enter },
      h("h1", {}, "Sign in"),
      h("p", {}, "This gateway can be reached from other machines, so its console takes a token: the one in ", h("code", {}, "GATEWAY_ADMIN_TOKEN"), ". It is kept for this tab only."),
      h("label", { for: "token" }, "Token"),
      h("div", { class: "together" }, field, h("button", {}, "Sign in")),
      wrong,
    ),
  );
  field.focus();
}

function isTyping(target) {
  return target.matches("input, select, textarea, [contenteditable]");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && isTyping(event.target)) return event.target.blur();
  if (isTyping(event.target)) return;
  if (event.key === "/") {
    event.preventDefault();
    const field = main.querySelector("input[type=search]");
    if (field) field.focus();
    else location.hash = "#/traces?search";
  } else if (["j", "k", "Escape"].includes(event.key)) {
    main.dispatchEvent(new CustomEvent("key", { detail: event.key }));
  }
});

window.addEventListener("hashchange", () => {
  go();
  say(VIEWS[place().name].title);
});
go();
