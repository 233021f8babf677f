// Elements, made in one expression. Text is always text: nothing that is shown is ever read as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element. A function is a listener, `style` an object, null and false are left out. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    // The policy of the page forbids style attributes; properties are no attributes.
    else if (name === "style") for (const [property, set] of Object.entries(value)) element.style.setProperty(property, set);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Tell a screen reader, once and politely. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

/** A short word in a coloured box: `good`, `warn`, `bad`, `calm`, or `path`. */
export function chip(text, kind = "calm", title = null) {
  return h("span", { class: `chip ${kind}`, title }, text);
}

/** What is to be seen where there is nothing. */
export function nothing(title, ...words) {
  return h("div", { class: "nothing" }, h("p", { class: "lead" }, title), words.length ? h("p", {}, ...words) : null);
}
