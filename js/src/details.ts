// What is known of one node: why it ran or did not, its code or traceback, its inputs, output and past. Below the graph.

import { glyphIcon, h, icon, roving, s } from "./dom";
import { cardText, cutOffBy, dams } from "./facts";
import { BAD, WORD } from "./glyphs";
import type { GraphModel } from "./model";
import type { CodeLine, Detail, KeyPart, Status } from "./protocol";
import { clock, duration, plainLines } from "./text";

export type DetailAct = "run" | "force" | "retry" | "debug" | "cell" | "copy" | "close";
const MOST_PARTS = 6, MOST_ROWS = 100;

type Row = { cells: (string | Node | null)[]; kinds?: string[]; changed?: boolean; node?: string };

export class Details {
  readonly el = h("div", { class: "dag-det", role: "region" });
  private drawn = "";
  private readonly settle: () => void;

  constructor(
    private readonly m: GraphModel,
    private readonly on: { act(act: DetailAct, name: string): void; select(name: string): void; canGo(i: number): boolean },
  ) {
    this.el.hidden = true;
    this.settle = roving(this.el, "button");
  }

  hide(): void {
    this.el.hidden = true;
    this.drawn = "";
    this.el.replaceChildren();
  }

  /** Draws only what differs from what is there: nothing is lost under the reader's eyes while a run goes on. */
  show(i: number, detail: Detail | null, locked: boolean): void {
    const { m } = this, name = m.nodes[i].name, status = m.of(i);
    const key = JSON.stringify([name, status, detail, locked, m.family(i), m.gone]);
    if (key === this.drawn) return;
    this.drawn = key;
    const scrolled = [...this.el.querySelectorAll(".dag-col")].map((col) => col.scrollTop);
    const same = this.el.getAttribute("aria-label") === `Details of ${name}`;
    const focused = same && document.activeElement instanceof HTMLElement && this.el.contains(document.activeElement) ? document.activeElement.textContent : null;
    this.el.hidden = false;
    this.el.setAttribute("aria-label", `Details of ${name}`);
    const known = detail?.node === name && (detail.status === status || m.kids.has(i)) ? detail : null;
    const columns = (m.kids.has(i) ? this.family(i, known) : this.columns(i, known)).filter((col) => col.length);
    const count = ["one", "one", "two", ""][Math.min(3, columns.length)];
    this.el.replaceChildren(this.head(i, known, locked), h("div", { class: `dag-cols ${count}` }, columns.map((col) => h("div", { class: "dag-col" }, col))));
    this.settle();
    if (same) this.el.querySelectorAll(".dag-col").forEach((col, k) => (col.scrollTop = scrolled[k] ?? 0));
    if (focused !== null) [...this.el.querySelectorAll<HTMLElement>("button")].find((b) => b.textContent === focused)?.focus();
  }

  private head(i: number, detail: Detail | null, locked: boolean): HTMLElement {
    const { m } = this, { name } = m.nodes[i], status = m.of(i);
    const button = (text: string, title: string, act: DetailAct, needsKernel = true) => {
      const el = h("button", { type: "button", class: "dag-b", title, click: () => this.on.act(act, name) }, text);
      el.disabled = needsKernel && (m.gone || locked);
      return el;
    };
    const actions = BAD.has(status)
      ? [button("Retry", "Run it again, and what was skipped", "retry"), detail?.next ? button("Debug", `Debug: copy ${detail.next} (d)`, "debug", false) : null]
      : m.family(i)?.failed
        ? [button("Retry failed", "Run the failed children again", "retry"), button("Copy name", "Copy the node's name", "copy", false)]
        : [button("Run to here", "Run to here (r)", "run"), button("Force", "Force: run even if current (Shift+F)", "force")];
    const go = this.on.canGo(i) ? button("Go to cell", "Go to cell (g)", "cell", false) : null;
    const close = h("button", { type: "button", class: "dag-b", title: "Close details (Esc)", "aria-label": "Close details", click: () => this.on.act("close", name) }, icon("close"));
    return h("div", { class: "dag-head" }, glyphIcon(status, status === "running" ? m.share(i) : undefined), h("h3", null, name),
      h("span", { class: "dag-q" }, m.kids.has(i) || !detail?.sub ? this.sub(i) : detail.sub), h("span", { class: "dag-acts" }, actions, go, close));
  }

  private sub(i: number): string {
    const { m } = this, { cell, parent } = m.nodes[i], family = m.family(i);
    if (family) {
      return [`mapped over ${m.nodes[i].over ?? "its input"}`, cell, `${family.done} of ${family.n} done`].filter(Boolean).join(", ");
    }
    const took = m.took(i), when = took >= 0 && m.of(i) !== "running" ? `${WORD[m.of(i)]} in ${duration(took)}` : WORD[m.of(i)];
    return [cell, parent === undefined ? "" : `child of ${m.nodes[parent].name}`, when].filter(Boolean).join(", ");
  }

  // ---- a node ----

  private columns(i: number, d: Detail | null): Node[][] {
    const code = d ? this.code(d) : [];
    const key = d?.parts.length ? this.key(d.parts, d.moreParts) : [];
    return [
      [...this.why(i, d), ...(code.length ? key : [])],
      [...(code.length ? code : key), ...(d?.printed ? [head("Printed"), h("pre", { class: "dag-code" }, text(d.printed))] : [])],
      this.values(i, d),
    ];
  }

  private why(i: number, d: Detail | null): Node[] {
    const { m } = this, { note } = m.nodes[i];
    const parts: Node[] = [];
    const error = d?.error || (BAD.has(m.of(i)) ? note : "");
    if (d?.head || error) parts.push(head(d?.head || "What happened"));
    if (error) parts.push(h("p", { class: "dag-err", style: "font-weight:500" }, error));
    if (d?.why) parts.push(h("p", null, d.why));
    if (!d && !error) parts.push(head("State"), h("p", null, this.state(i)));
    if (d?.skipped.length) {
      parts.push(head("Skipped because of it"), this.table("", d.skipped.map((r) => ({ cells: [glyphIcon("skipped"), r.node, r.why], kinds: ["i", "", "g"], node: r.node }))));
    }
    if (d?.steps.length) {
      parts.push(head("How far the change went"), this.table("", d.steps.map((r) => ({ cells: [glyphIcon(r.status), r.node, r.what, r.word], kinds: ["i", "", "g", "r"], node: r.node }))));
    }
    return parts;
  }

  private state(i: number): string {
    const { m } = this, text = cardText(m, i), word = WORD[m.of(i)];
    const stop = m.of(i) === "cutoff" ? cutOffBy(m, i) : -1;
    if (stop >= 0) return `Cut off: ${m.nodes[stop].name} gave the same value.`;
    return [word[0].toUpperCase() + word.slice(1), text.left === word ? "" : text.left, text.right].filter(Boolean).join(", ") + ".";
  }

  private key(parts: KeyPart[], more: number): Node[] {
    const sorted = [...parts].sort((a, b) => Number(b.changed) - Number(a.changed));
    const changed = sorted.filter((p) => p.changed).length;
    const shown = sorted.slice(0, Math.max(MOST_PARTS, changed));
    const hidden = more + sorted.length - shown.length;
    const rows = shown.map((p): Row => ({
      changed: p.changed, kinds: ["g", "", "r"],
      cells: [p.name, h("span", { class: "dag-mono" }, p.changed && p.old ? `${p.old} → ${p.now}` : p.now), p.word || (p.changed ? "changed" : "same")],
    }));
    const rest = hidden ? [h("p", { class: "more" }, `${hidden} more part${hidden === 1 ? "" : "s"}, all the same`)] : [];
    return [head("Key"), this.table("dag-key", rows), ...rest];
  }

  private code(d: Detail): Node[] {
    const lines = d.code.length ? [h("div", { class: "dag-diff" }, marked(d.code).map(codeLine))] : [];
    const frames = d.frames.length ? [h("div", { class: "dag-diff" }, d.frames.flatMap((frame) => [h("div", { class: "cap" }, frame.title), ...frame.lines.map((l) => codeLine({ line: l, cut: [] }))]), d.hidden ? h("div", { class: "cut" }, d.hidden) : null)] : [];
    if (!lines.length && !frames.length) return [];
    return [head(d.codeHead || (frames.length ? "Traceback, your code only" : "Code")), ...frames, ...lines];
  }

  private values(i: number, d: Detail | null): Node[] {
    const { m } = this, parts: Node[] = [];
    if (d?.values.length) {
      parts.push(head(BAD.has(m.of(i)) ? "Inputs as it saw them" : "Inputs and output"));
      parts.push(this.table("", d.values.map((v) => ({ cells: [v.strong ? h("b", null, v.name) : v.name, v.type, v.shape, v.size, v.word], kinds: ["", "g", "r", "r", "r"] }))));
    } else if (!d) parts.push(...this.knownValue(i));
    const used = d ? d.usedBy : m.outputs[i].map((k) => m.nodes[k].name);
    if (used.length && !BAD.has(m.of(i)) && m.of(i) !== "cutoff") parts.push(head("Used by"), quiet(used.join(", ")));
    if (m.of(i) === "cutoff") parts.push(...this.saved(i));
    if (d?.last) parts.push(head("Last time it ran"), quiet(d.last));
    if (d && d.history.length > 1) parts.push(...history(d.history));
    if (d?.next) parts.push(head("Next"), quiet("Debug copies the command that opens post-mortem with these inputs."), h("pre", { class: "dag-code" }, text(d.next)));
    return parts;
  }

  private knownValue(i: number): Node[] {
    const { name, type = "", shape, meta = "", size = "" } = this.m.nodes[i];
    if (!type && !shape && !meta) return [];
    return [head("Output"), this.table("", [{ cells: [h("b", null, name), type, shape ?? meta, size], kinds: ["", "g", "r", "r"] }])];
  }

  private saved(i: number): Node[] {
    const here = this.m.expected(i), all = dams(this.m).reduce((sum, dam) => sum + dam.saved, 0);
    if (here === undefined) return [];
    return [head("Saved"), quiet(`about ${duration(here)} here, ${all < 10 ? duration(all) : clock(all)} in the whole run`)];
  }

  // ---- a mapped node ----

  private family(i: number, d: Detail | null): Node[][] {
    const { m } = this, kids = m.kids.get(i)!;
    const is = (...wanted: Status[]) => kids.filter((k) => wanted.includes(m.of(k)));
    const label = (k: number) => m.nodes[k].label ?? m.nodes[k].name;
    const urgent = [...is("failed", "timeout"), ...is("running")];
    const waiting = is("queued", "never", "paused", "cancelled", "skipped", "stale", "maybe");
    const done = is("ran", "reused", "cutoff").sort((a, b) => (m.took(b) || 0) - (m.took(a) || 0));
    const first: Node[] = [];
    if (urgent.length) {
      first.push(head("Failed and running"), this.table("", urgent.slice(0, MOST_ROWS).map((k) => {
        const text = cardText(m, k);
        return { cells: [glyphIcon(m.of(k), m.share(k)), m.nodes[k].name, text.left, duration(m.took(k))], kinds: ["i", "", "g", "r"], node: m.nodes[k].name };
      })), more(urgent.length));
    }
    if (waiting.length) first.push(head("Waiting"), quiet(waiting.slice(0, MOST_ROWS).map(label).join(", ")), more(waiting.length));
    const last = done.length ? [head("Done, slowest first"), this.table("", done.slice(0, MOST_ROWS).map((k) =>
      ({ cells: [glyphIcon(m.of(k)), label(k), this.size(k), duration(m.took(k))], kinds: ["i", "", "g", "r"], node: m.nodes[k].name }))), more(done.length)] : [];
    const failed = d && (d.code.length || d.frames.length) ? [...this.code(d), ...(d.error ? [h("p", { class: "dag-err", style: "margin-top:4px" }, d.error)] : [])] : [];
    const why = d && !failed.length ? [...this.why(i, d), ...(d.parts.length ? this.key(d.parts, d.moreParts) : [])] : [];
    return [first, [...failed, ...why], last];
  }

  /** A table by its whole shape, anything else as on its card. */
  private size(k: number): string {
    const { shape = "", meta = "" } = this.m.nodes[k];
    return shape.includes("×") ? shape : meta;
  }

  private table(cls: string, rows: Row[]): HTMLElement {
    return h("table", { class: cls }, h("tbody", null, rows.map((row) => {
      const known = row.node !== undefined && this.m.byName.has(row.node);
      const act = known ? { click: () => this.on.select(row.node!) } : {};
      return h("tr", { class: [row.changed ? "ch" : "", known ? "go" : ""].join(" ").trim() || null, ...act },
        row.cells.map((cell, k) => h("td", { class: row.kinds?.[k] || null, title: typeof cell === "string" && cell.length > 28 ? cell : null }, cell)));
    })));
  }
}

const head = (words: string) => h("h4", null, words);
const quiet = (words: string) => h("p", { class: "quiet" }, words);
const more = (n: number) => (n > MOST_ROWS ? h("p", { class: "more" }, `${n - MOST_ROWS} more`) : document.createTextNode(""));
/** Printed text and code keep their line ends, so they do not go through `h`. */
const text = (raw: string) => document.createTextNode(plainLines(raw));

/** A line of a diff, and where in it the change is: [from, to] in characters, or all of it, or nothing. */
interface Marked { line: CodeLine; cut: [number, number] | [] }

/** Marks what differs between a removed line and the one that took its place. */
export function marked(lines: CodeLine[]): Marked[] {
  const out: Marked[] = lines.map((line) => ({ line, cut: [] }));
  for (let k = 0; k < lines.length; k++) {
    if (lines[k].sign !== "-") continue;
    let gone = k;
    while (gone < lines.length && lines[gone].sign === "-") gone++;
    let added = gone;
    while (added < lines.length && lines[added].sign === "+") added++;
    for (let j = 0; j < Math.min(gone - k, added - gone); j++) {
      [out[k + j].cut, out[gone + j].cut] = difference(lines[k + j].text, lines[gone + j].text);
    }
    k = added - 1;
  }
  for (const m of out) if (m.line.sign === "+" && !m.cut.length) m.cut = [m.line.text.length - m.line.text.trimStart().length, m.line.text.length];
  return out;
}

function difference(a: string, b: string): [[number, number], [number, number]] {
  const word = /\w+|\s+|[^\w\s]/g;
  const [x, y] = [a.match(word) ?? [], b.match(word) ?? []];
  let start = 0, end = 0;
  while (start < Math.min(x.length, y.length) && x[start] === y[start]) start++;
  while (end < Math.min(x.length, y.length) - start && x[x.length - 1 - end] === y[y.length - 1 - end]) end++;
  const span = (w: string[]): [number, number] => [w.slice(0, start).join("").length, w.slice(0, w.length - end).join("").length];
  return [span(x), span(y)];
}

const CLASS = { "": "", "+": " add", "-": " del", x: " bad" };
const SIGN = { "": "", "+": "+", "-": "−", x: "×" };

function codeLine({ line, cut }: Marked): HTMLElement {
  const [from, to] = cut.length ? cut : [0, 0];
  const inner = line.text.slice(from, to);
  const change = inner ? h(line.sign === "-" ? "s" : "mark", null, text(inner)) : null;
  return h("div", { class: `dag-code${CLASS[line.sign]}` }, h("i", null, line.n === null ? "" : String(line.n)), h("u", null, SIGN[line.sign]),
    h("span", null, text(line.text.slice(0, from)), change, text(line.text.slice(to))));
}

function history(values: number[]): Node[] {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
  const unit = (v: number) => duration(v).replace(/ s$/, "");
  return [head(`Duration, last ${values.length} runs: median ${duration(median)}, ${unit(sorted[0])} to ${unit(sorted[sorted.length - 1])}`), sparkline(values, median)];
}

function sparkline(values: number[], median: number): SVGElement {
  const w = 292, high = 36, pad = 3, most = Math.max(...values) || 1, last = values.length - 1;
  const x = (k: number) => pad + (k * (w - 2 * pad - 44)) / last;
  const y = (v: number) => high - pad - ((high - 2 * pad) * v) / most;
  const label = `last ${values.length} durations, median ${duration(median)}, last ${duration(values[last])}`;
  return s("svg", { width: w, height: high, role: "img", "aria-label": label },
    s("path", { d: `M${pad} ${y(median)}H${x(last)}`, style: "stroke:var(--dag-line)" }),
    s("path", { d: "M" + values.map((v, k) => `${x(k).toFixed(1)} ${y(v).toFixed(1)}`).join("L"), style: "fill:none;stroke:var(--dag-t3)", "stroke-width": 1.25, "stroke-linejoin": "round" }),
    s("circle", { cx: x(last), cy: y(values[last]), r: 2.5, style: "fill:var(--dag-run)" }),
    s("text", { x: x(last) + 7, y: Math.min(high - 3, y(values[last]) + 4), style: "fill:var(--dag-t1);font-size:11px" }, duration(values[last])));
}

