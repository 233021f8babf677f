// Numbers and times as they are read.

/** `0.4 ms`, `47.5 ms`, `1.24 s`; a dash for what nobody knows. */
export function ms(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0 ms";
  if (value >= 10000) return `${(value / 1000).toFixed(1)} s`;
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  return `${value.toFixed(value >= 100 ? 0 : 1)} ms`;
}

/** The same where there is little room, and it is an estimate anyway: `0.4 ms`, `48 ms`, `1.2 s`. */
export function brief(value) {
  if (value === null || value === undefined || value < 9.95) return ms(value);
  return value < 999.5 ? `${value.toFixed(0)} ms` : `${(value / 1000).toFixed(1)} s`;
}

/** A rate: `0.4`, `12`, `1,240`. */
export function number(value) {
  if (value === null || value === undefined) return "–";
  return value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 });
}

/** `94 %`. */
export function percent(value) {
  return value === null || value === undefined ? "–" : `${(100 * value).toFixed(value > 0 && value < 0.1 ? 1 : 0)} %`;
}

/** `73 bytes`, `4.2 KiB`. */
export function bytes(size) {
  return size < 1024 ? count(size, "byte") : `${(size / 1024).toFixed(1)} KiB`;
}

/** JSON with a line for each of its values; anything else as it is. */
export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** The time of day, to the second. */
export function clock(iso) {
  return new Date(iso).toLocaleTimeString("en", { hour12: false });
}

/** Day and time, to the millisecond. */
export function moment(iso) {
  const at = new Date(iso);
  const day = at.toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric" });
  return `${day}, ${clock(iso)}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

/** `1 span`, `7 spans`. */
export function count(amount, noun) {
  return `${amount} ${noun}${amount === 1 ? "" : "s"}`;
}

/** The round step of an axis that leads to about so many ticks. */
export function step(length, ticks) {
  const raw = length / ticks || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  return power * ([1, 2, 5, 10].find((factor) => factor * power >= raw) ?? 10);
}

/** How good a status is: `good`, `warn`, `bad`; an answer that lacks something is a `warn`. */
export function kindOf(status, complete) {
  if (status === null || status === undefined) return "calm";
  if (status >= 500) return "bad";
  return status >= 400 || complete === false ? "warn" : "good";
}
