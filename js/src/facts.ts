// What the state means, in the widget's words: edges, dams, counts, progress, the sentence of the toolbar. Pure.

import { BAD, WORD } from "./glyphs";
import type { Family, GraphModel } from "./model";
import type { Status } from "./protocol";
import { clock, duration, estimate, plural } from "./text";

export type EdgeKind = "carried" | "cutoff" | "reused" | "inactive";
export type Said = { text: string; strong?: boolean };
export interface CardText { left: string; right: string; leftBad?: boolean; rightInk: "t2" | "t3" | "runt" | "failt" }
export interface Dam { node: number; stopped: number; saved: number }

const TRAVELS: ReadonlySet<Status> = new Set(["ran", "running", "failed", "timeout", "queued", "reused", "paused"]);
const NOTHING: ReadonlySet<Status> = new Set(["never", "queued", "skipped", "cancelled", "paused"]);

/** What travelled along an edge. */
export function edgeKind(m: GraphModel, a: number, b: number): EdgeKind {
  const [from, to] = [m.of(a), m.of(b)];
  if (from === "ran" && m.verdict[a] === 2) return "cutoff";
  if (from === "ran" && to === "cutoff") return "cutoff";
  if (from === "ran" && TRAVELS.has(to)) return "carried";
  if (from === "cutoff" && to === "cutoff") return "cutoff";
  if (from === "reused") return to === "never" || to === "skipped" ? "inactive" : "reused";
  if (from === "cutoff") return NOTHING.has(to) ? "inactive" : "reused";
  return "inactive";
}

/** Nodes whose equal value stopped a change, with what that spared. */
export function dams(m: GraphModel): Dam[] {
  const found: Dam[] = [];
  for (const node of m.tops) {
    if (m.of(node) !== "ran" || m.verdict[node] !== 2 || !m.outputs[node].length) continue;
    const below = cutOffBelow(m, node);
    found.push({ node, stopped: below.length, saved: below.reduce((sum, i) => sum + (m.expected(i) ?? 0), 0) });
  }
  return found;
}

function cutOffBelow(m: GraphModel, node: number): number[] {
  const seen = new Set<number>();
  const queue = [node];
  for (let at = 0; at < queue.length; at++) {
    for (const next of m.outputs[queue[at]]) {
      if (m.of(next) !== "cutoff" || seen.has(next)) continue;
      seen.add(next);
      queue.push(next);
    }
  }
  return [...seen];
}

/** The input that stopped the change above a cut-off node, itself or further up; -1 when it is not known. */
export function cutOffBy(m: GraphModel, node: number): number {
  const queue = [node], seen = new Set(queue);
  for (const i of queue) {
    if (m.of(i) === "ran" && m.verdict[i] === 2) return i;
    for (const k of m.inputs[i]) {
      if (seen.has(k) || !["ran", "cutoff"].includes(m.of(k))) continue;
      seen.add(k);
      queue.push(k);
    }
  }
  return -1;
}

export function damNote(dam: Dam): string[] {
  const note = ["same value"];
  if (dam.stopped) note.push(`${plural(dam.stopped, "node")} did not run`);
  if (dam.saved >= 1) note.push(`about ${clock(dam.saved)} saved`);
  return note;
}

/** The second line of a card. */
export function cardText(m: GraphModel, i: number): CardText {
  const status = m.of(i), family = m.family(i);
  const right = rightText(m, i, status, family);
  if (family) return { left: `${family.done} of ${family.n}`, ...right };
  return { left: leftText(m, i, status), leftBad: BAD.has(status), ...right };
}

function leftText(m: GraphModel, i: number, status: Status): string {
  const { note, meta } = m.nodes[i];
  switch (status) {
    case "never": case "queued": case "paused": return WORD[status];
    case "running": return leftToRun(m, i);
    case "skipped": case "failed": case "timeout": return note || WORD[status];
    case "stale": return note || meta || "";
    case "cancelled": return m.gone ? (Number.isNaN(m.start[i]) ? "did not run" : "interrupted") : note || WORD.cancelled;
    default: return meta || "";
  }
}

function leftToRun(m: GraphModel, i: number): string {
  const expected = m.expected(i);
  if (!expected) return "running";
  const left = expected - m.took(i);
  return left > 0.5 ? `${estimate(left)} left` : left > -0.5 ? "~1 s left" : "overdue";
}

function rightText(m: GraphModel, i: number, status: Status, family?: Family): { right: string; rightInk: CardText["rightInk"] } {
  if (family?.failed) return { right: `${family.failed} failed`, rightInk: "failt" };
  const took = m.took(i), expected = m.expected(i);
  if (status === "running") return { right: duration(took), rightInk: "runt" };
  if (status === "queued" || status === "paused") return { right: expected === undefined ? "" : estimate(expected), rightInk: "t3" };
  if (status === "cancelled" && m.gone || status === "skipped" || status === "never" || status === "stale") return { right: "", rightInk: "t3" };
  if (took >= 0) return { right: duration(took), rightInk: status === "ran" ? "t2" : "t3" };
  const known = status === "ran" || status === "cutoff" || status === "maybe" ? expected : undefined;
  return { right: known === undefined ? "" : duration(known), rightInk: status === "ran" ? "t2" : "t3" };
}

/** What the tooltip and the reader say: "by_carrier: running. 9 of 16, 1 failed". */
export function spoken(m: GraphModel, i: number): string {
  const status = m.of(i), text = cardText(m, i);
  const from = m.inputs[i].map((k) => m.nodes[k].name);
  const word = status === "cancelled" && m.gone ? text.left : WORD[status];
  const parts = [m.nodes[i].name, word, text.left === word ? "" : text.left, text.right, from.length ? `from ${from.join(", ")}` : ""];
  return parts.filter(Boolean).join(", ");
}

/** The lines of a card's tooltip: what it is, and why it is so. */
export function tooltip(m: GraphModel, i: number): { head: string; lines: string[] } {
  const status = m.of(i), node = m.nodes[i], text = cardText(m, i);
  const head = `${node.name}: ${status === "cancelled" && m.gone ? "interrupted" : WORD[status]}`;
  const stop = status === "cutoff" ? cutOffBy(m, i) : -1;
  const lines: string[] = [];
  if (stop >= 0) lines.push(`${m.nodes[stop].name} gave the same value`);
  if (node.note) lines.push(node.note);
  const facts = [text.left === node.note || text.left === WORD[status] ? "" : text.left, text.right].filter(Boolean).join(", ");
  if (facts) lines.push(facts);
  const dam = status === "ran" && m.verdict[i] === 2 && m.outputs[i].length ? dams(m).find((d) => d.node === i) : undefined;
  if (dam) lines.push(damNote(dam).join("; "));
  if (node.cell) lines.push(node.cell);
  return { head, lines };
}

const LEGEND: Status[] = [
  "failed", "timeout", "running", "ran", "cutoff", "stale", "maybe", "reused", "paused", "queued", "cancelled", "skipped", "never",
];

export interface LegendEntry { key: string; status: Status; count: number; word: string }

/** Only the states that occur. A failed child of a node that is not failed itself is counted apart. */
export function legend(m: GraphModel): LegendEntry[] {
  const counts = new Map<Status, number>();
  for (const i of m.tops) counts.set(m.of(i), (counts.get(m.of(i)) ?? 0) + 1);
  const before = !m.live && (m.run.state === "idle" || counts.has("stale") || counts.has("maybe"));
  const word = (s: Status) => (s === "reused" && before ? "current" : s === "cancelled" && m.gone ? "interrupted" : WORD[s]);
  const entries = LEGEND.filter((s) => counts.has(s)).map((s) => ({ key: s as string, status: s, count: counts.get(s)!, word: word(s) }));
  let children = 0;
  for (const i of m.kids.keys()) if (!BAD.has(m.of(i))) children += m.family(i)!.failed;
  if (children) entries.push({ key: "child", status: "failed", count: children, word: children === 1 ? "child failed" : "children failed" });
  return entries;
}

export interface Progress { done: number; failed: number; left: number; known: boolean }

/** How far the run is, by expected time: shares of 1, and the seconds that are expected to remain. */
export function progress(m: GraphModel): Progress {
  const typical = typicalTime(m);
  let total = 0, done = 0, failed = 0, remaining = 0, unknown = 0, planned = 0;
  const rest = new Map<number, number>();
  const add = (i: number): number => {
    const status = m.of(i);
    if (!["queued", "running", "ran", "failed", "timeout", "paused", "cancelled"].includes(status)) return 0;
    const expected = m.expected(i) ?? typical;
    planned++;
    if (m.expected(i) === undefined && status !== "ran" && !BAD.has(status)) unknown++;
    total += expected;
    if (status === "ran") done += expected;
    else if (BAD.has(status)) failed += expected;
    else if (status === "running") {
      const past = Math.min(expected, m.took(i) || 0);
      done += past;
      return expected - past;
    } else if (status === "queued" || status === "paused") return expected;
    return 0;
  };
  for (const i of m.tops) {
    const left = m.kids.has(i) ? m.kids.get(i)!.reduce((sum, k) => sum + add(k), 0) : add(i);
    rest.set(i, m.kids.has(i) ? left / m.run.workers : left);
    remaining += left;
  }
  const left = Math.max(longestRest(m, rest), remaining / Math.max(1, m.run.workers));
  return { done: total ? done / total : 0, failed: total ? failed / total : 0, left, known: unknown * 2 <= planned && typical !== 1 };
}

function typicalTime(m: GraphModel): number {
  const known = m.tops.map((i) => m.nodes[i].expected).filter((x): x is number => x !== undefined);
  return known.length ? known.reduce((a, b) => a + b, 0) / known.length : 1;
}

function longestRest(m: GraphModel, rest: Map<number, number>): number {
  const until = new Map<number, number>();
  let longest = 0;
  for (const i of m.order) {
    const before = Math.max(0, ...m.inputs[i].map((k) => until.get(k) ?? 0));
    until.set(i, before + rest.get(i)!);
    longest = Math.max(longest, before + rest.get(i)!);
  }
  return longest;
}

/** How many of the nodes that this run looks at are settled: "9 of 15". */
function settled(m: GraphModel): { done: number; all: number; ran: number } {
  let done = 0, ran = 0;
  for (const i of m.tops) {
    const status = m.of(i);
    if (["ran", "reused", "cutoff", "failed", "timeout", "skipped"].includes(status)) done++;
    if (status === "ran") ran++;
  }
  return { done, all: m.tops.length, ran };
}

const s = (text: string, strong = false): Said => ({ text, strong });

function names(list: string[]): Said[] {
  if (list.length <= 2) return list.flatMap((name, i) => (i ? [s(" and "), s(name, true)] : [s(name, true)]));
  return [s(list[0], true), s(` and ${list.length - 1} more`)];
}

/** The toolbar's sentence: its first words are strong. `brief` is for narrow widgets. */
export function sentence(m: GraphModel, brief = false): Said[] {
  const { state, number } = m.run;
  if (m.gone) return [s("No kernel.", true), s(` Last known state${number ? `, run ${number}` : ""}`)];
  if (!m.n) return [s("No nodes yet")];
  const is = (...wanted: Status[]) => m.tops.filter((i) => wanted.includes(m.of(i)));
  if (m.live) return liveSentence(m, brief, is("running").length);
  const [stale, maybe, never] = [is("stale"), is("maybe"), is("never")];
  if (stale.length || maybe.length) {
    const atMost = [...stale, ...maybe].reduce((sum, i) => sum + (m.expected(i) ?? 0), 0);
    const first = stale.length ? [s(`${stale.length} stale`, true), s(maybe.length ? `, ${maybe.length} may be` : "")] : [s(`${maybe.length} may be stale`, true)];
    return [...first, s(atMost >= 1 ? `; at most ${clock(atMost)}` : "")];
  }
  if (never.length === m.tops.length) return [s("Nothing has run yet")];
  const { done, all, ran } = settled(m);
  const time = duration(m.elapsed());
  if (state === "cancelled") return [s("Cancelled", true), s(` ${ran} of ${all} ran`)];
  const failed = is("failed", "timeout");
  if (failed.length) return failedSentence(m, failed, brief ? 0 : skippedBelow(m, failed), brief ? "" : `, ${ran} ran in ${time}`);
  if (state === "idle") return never.length ? [s(`${never.length} never run`, true), s(`, ${all - never.length} current`)] : [s("Up to date", true)];
  const out = is("skipped").length;
  if (out) return [s("Done", true), s(` ${ran} ran${ran ? ` in ${time}` : ""}, ${out} left out`)];
  if (!ran) return [s("Up to date", true), s(" nothing had to run")];
  const stops = dams(m).filter((d) => d.stopped).map((d) => m.nodes[d.node].name);
  if (stops.length && brief) return [s("Up to date", true), s(` ${ran} ran in ${time}`)];
  if (stops.length) return [s("Up to date", true), s(` ${ran} ran in ${time}; the change stopped at `), ...names(stops)];
  return [s("Done", true), s(` ${done} of ${all} in ${time}`)];
}

/** How many nodes were skipped because one of these failed; others were left out. */
function skippedBelow(m: GraphModel, failed: number[]): number {
  const reached = new Set(failed), way = [...failed];
  for (const i of way) {
    for (const k of m.outputs[i]) if (m.of(k) === "skipped" && !reached.has(k)) reached.add(k), way.push(k);
  }
  return reached.size - failed.length;
}

function failedSentence(m: GraphModel, failed: number[], skipped: number, rest: string): Said[] {
  const which = failed.slice(0, 2).map((i) => m.nodes[i].name).join(", ") + (failed.length > 2 ? ` and ${failed.length - 2} more` : "");
  const below = skipped ? `, ${skipped} skipped below ${failed.length > 1 ? "them" : "it"}` : "";
  return [s(`${failed.length} failed`, true), s(` ${which}${below}${rest}`)];
}

function liveSentence(m: GraphModel, brief: boolean, running: number): Said[] {
  const { done, all } = settled(m);
  switch (m.run.state) {
    case "pausing": return [s("Pausing:", true), s(` ${running} still running`)];
    case "paused": return [s("Paused", true), s(` ${done} of ${all}`)];
    case "cancelling": return [s("Cancelling…", true)];
  }
  const { left, known } = progress(m);
  const now = clock(m.elapsed());
  const rest = known ? `${brief ? "" : "about "}${clock(left, Math.ceil)} left` : `${done} of ${all}`;
  return brief ? [s(`${now}, ${rest}`)] : [s("Running", true), s(` ${now}, ${rest}`)];
}

/** The name of the picture for those who do not see it. */
export function summary(m: GraphModel): string {
  return [plural(m.tops.length, "node"), ...legend(m).map((e) => `${e.count} ${e.word}`)].join(", ");
}

/** The right end of the legend. */
export function footnote(m: GraphModel): string {
  const { number, workers, finished, state } = m.run;
  if (m.gone) return "viewing works; run the cell again to go on";
  const plan = m.tops.some((i) => m.of(i) === "stale" || m.of(i) === "maybe");
  if (!m.live && (state === "idle" || plan)) return "as of the last time each cell was run";
  const who = number ? `run ${number}` : "";
  return [who, m.live ? plural(workers, "worker") : finished ? `finished ${finished}` : ""].filter(Boolean).join(", ");
}
