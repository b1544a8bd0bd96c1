// Which nodes are wanted: by name, by state, by place in the graph. Pure.

import { BAD } from "./glyphs";
import type { GraphModel } from "./model";

export interface Filter {
  text: string;
  /** Keys of legend entries: a status, or "child" for nodes with a failed child. */
  states: Set<string>;
  only: "" | "affected" | "failed" | "upstream" | "downstream";
  /** The node that upstream and downstream start from. */
  from: number | null;
}

export const noFilter = (): Filter => ({ text: "", states: new Set(), only: "", from: null });

/** Tells whether a node of the user is wanted; null when all are. */
export function matcher(m: GraphModel, f: Filter): ((i: number) => boolean) | null {
  const tests: ((i: number) => boolean)[] = [];
  const text = f.text.trim().toLowerCase();
  if (text) tests.push((i) => m.nodes[i].name.toLowerCase().includes(text));
  if (f.states.size) tests.push((i) => f.states.has(m.of(i)) || (f.states.has("child") && failedChild(m, i)));
  if (f.only === "affected") tests.push((i) => !["reused", "never"].includes(m.of(i)));
  if (f.only === "failed") tests.push((i) => BAD.has(m.of(i)) || failedChild(m, i));
  if (f.from !== null && (f.only === "upstream" || f.only === "downstream")) {
    const near = reach(f.only === "upstream" ? m.inputs : m.outputs, f.from);
    tests.push((i) => near.has(i));
  }
  return tests.length ? (i) => tests.every((test) => test(i)) : null;
}

const failedChild = (m: GraphModel, i: number) => (m.family(i)?.failed ?? 0) > 0;

/** `start` and all that follows from it along `next`. */
export function reach(next: number[][], start: number): Set<number> {
  const seen = new Set([start]);
  for (const i of seen) for (const k of next[i] ?? []) seen.add(k);
  return seen;
}

/** Where the text stands in a name, for marking it: [before, hit, after]; null when it does not. */
export function hit(name: string, text: string): [string, string, string] | null {
  const wanted = text.trim().toLowerCase();
  const at = wanted ? name.toLowerCase().indexOf(wanted) : -1;
  return at < 0 ? null : [name.slice(0, at), name.slice(at, at + wanted.length), name.slice(at + wanted.length)];
}
