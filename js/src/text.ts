// Words and numbers as the widget says them. Pure.

const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;

function picture(char: string): string {
  const code = char.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return "\u2421";
  return `\u2039${code.toString(16).toUpperCase().padStart(4, "0")}\u203a`;
}

/** Text in which nothing is invisible and nothing turns the reading direction: such characters become pictures. */
export function plain(text: unknown): string {
  return String(text ?? "").replace(HIDDEN, picture);
}

/** Several lines of code or output: as `plain`, but tabs and line ends stay. */
export function plainLines(text: unknown): string {
  return String(text ?? "").replace(/\r\n?/g, "\n").replace(HIDDEN, (c) => (c === "\n" || c === "\t" ? c : picture(c)));
}

/** 0.4 s, 24.3 s, 1:52, 2:03:10 */
export function duration(seconds: number): string {
  if (!(seconds >= 0)) return "";
  return seconds < 59.95 ? `${seconds.toFixed(1)} s` : clock(seconds);
}

/** 0:13, 1:52, 2:03:10; whole seconds, rounded down unless told. */
export function clock(seconds: number, round: (x: number) => number = Math.floor): string {
  const total = Math.max(0, round(seconds));
  const two = (x: number) => String(x).padStart(2, "0");
  const [h, m, s] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** ~24 s, ~1:52: an estimate, whole seconds. */
export function estimate(seconds: number): string {
  return seconds < 59.5 ? `~${Math.max(1, Math.round(seconds))} s` : `~${clock(seconds, Math.round)}`;
}

export function plural(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

/** Thousands with commas: 327,346. */
export function grouped(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ",");
}

export type Measure = (text: string) => number;

/** The longest start of `text` that fits, with an ellipsis. */
export function elideEnd(text: string, width: number, measure: Measure): string {
  if (measure(text) <= width) return text;
  const keep = longest(text.length, (n) => measure(text.slice(0, n) + "…") <= width);
  return keep ? text.slice(0, keep).trimEnd() + "…" : "";
}

/** Names are told apart by both ends, so the ellipsis stands in the middle. */
export function elideMiddle(text: string, width: number, measure: Measure): string {
  if (measure(text) <= width) return text;
  const cut = (n: number) => text.slice(0, Math.ceil(n / 2)) + "…" + text.slice(text.length - Math.floor(n / 2));
  return cut(longest(text.length, (n) => measure(cut(n)) <= width));
}

function longest(length: number, fits: (n: number) => boolean): number {
  let low = 0, high = length;
  while (low < high) {
    const mid = (low + high + 1) >> 1;
    if (fits(mid)) low = mid; else high = mid - 1;
  }
  return low;
}
