// The cards of the graph: one a node, or above 150 one a group of nodes (a cell, then a module). Pure.

import type { EdgeKind } from "./facts";
import { edgeKind } from "./facts";
import type { Family, GraphModel } from "./model";
import { topological } from "./model";
import type { Status } from "./protocol";

export const MOST_CARDS = 150;
export const MOST_GROUP_EDGES = 600;
const FEWEST_GROUPS = 4, PLACES = 60;

export interface Card {
  key: string;
  title: string;
  /** The node it shows; -1 for a group. */
  node: number;
  /** Nodes of the user in it. */
  members: number[];
  /** "[11]" */
  prompt: string;
}

export interface Deck {
  cards: Card[];
  edges: [number, number][];
  /** For each edge of the deck the edges of the graph in it. */
  within: [number, number][][];
  /** The card of each node; -1 for none. */
  cardOf: Int32Array;
  grouped: "" | "cell" | "module" | "place";
}

export function deckOf(m: GraphModel, most = MOST_CARDS): Deck {
  const [grouped, keyOf] = grouping(m, most);
  const byKey = new Map<string, Card>();
  for (const i of m.tops) {
    const key = keyOf(i);
    const card = byKey.get(key);
    if (card) card.members.push(i);
    else byKey.set(key, { key, title: "", node: grouped ? -1 : i, members: [i], prompt: "" });
  }
  const cards = [...byKey.values()];
  const cardOf = new Int32Array(m.n).fill(-1);
  cards.forEach((card, c) => card.members.forEach((i) => (cardOf[i] = c)));
  for (const card of cards) name(m, card, grouped);
  const { edges, within } = cardEdges(m, cards, cardOf, grouped !== "");
  return { cards, edges, within, cardOf, grouped };
}

/** By what nodes are folded, so that at most `most` cards are left. */
function grouping(m: GraphModel, most: number): [Deck["grouped"], (i: number) => string] {
  if (m.tops.length <= most) return ["", (i) => m.nodes[i].name];
  const few = (key: (i: number) => string) => {
    const groups = new Set(m.tops.map(key)).size;
    return groups >= FEWEST_GROUPS && groups <= most;
  };
  const cell = (i: number) => m.nodes[i].cellId ?? m.nodes[i].cell ?? prefix(m.nodes[i].name);
  if (few(cell)) return ["cell", cell];
  const module = (i: number) => m.nodes[i].module ?? m.nodes[i].section ?? prefix(m.nodes[i].name);
  if (few(module)) return ["module", module];
  // Nothing tells the nodes apart. A few hundred cards can still be drawn; more are folded by place.
  if (m.tops.length <= 2 * most) return ["", (i) => m.nodes[i].name];
  const size = Math.ceil(m.tops.length / PLACES);
  const place = new Map(m.order.map((i, k) => [i, String(Math.floor(k / size))]));
  return ["place", (i) => place.get(i)!];
}

/** "clean" of "clean_12", "clean/12" or "clean[12]". */
const prefix = (name: string) => name.replace(/([._/[-]|\d).*$/, "") || name;

function name(m: GraphModel, card: Card, grouped: Deck["grouped"]): void {
  const first = m.nodes[card.members[0]];
  if (!grouped) card.title = first.name;
  else if (grouped === "module") card.title = first.module ?? first.section ?? prefix(first.name);
  else card.title = first.section ?? first.name;
  const number = grouped === "cell" ? /\d+/.exec(first.cell ?? "") : null;
  if (number) card.prompt = `[${number[0]}]`;
}

function cardEdges(m: GraphModel, cards: Card[], cardOf: Int32Array, grouped: boolean): Pick<Deck, "edges" | "within"> {
  const found = new Map<number, [number, number][]>();
  for (const [a, b] of m.edges) {
    const from = cardOf[a], to = cardOf[b];
    if (from < 0 || to < 0 || from === to) continue;
    const key = from * cards.length + to;
    if (found.has(key)) found.get(key)!.push([a, b]);
    else found.set(key, [[a, b]]);
  }
  let all = [...found].map(([key, within]) => ({ edge: [Math.floor(key / cards.length), key % cards.length] as [number, number], within }));
  if (grouped) all = forwardOnly(cards.length, all).sort((a, b) => b.within.length - a.within.length).slice(0, MOST_GROUP_EDGES);
  return { edges: all.map((e) => e.edge), within: all.map((e) => e.within) };
}

/** Cells may use each other in a circle; a picture with columns cannot show that, so the edges back are left out. */
function forwardOnly<E extends { edge: [number, number] }>(n: number, all: E[]): E[] {
  const inputs: number[][] = Array.from({ length: n }, () => []);
  const outputs: number[][] = Array.from({ length: n }, () => []);
  for (const { edge: [a, b] } of all) {
    outputs[a].push(b);
    inputs[b].push(a);
  }
  const place: number[] = [];
  topological([...inputs.keys()], inputs, outputs).forEach((c, k) => (place[c] = k));
  return all.filter(({ edge: [a, b] }) => place[a] < place[b]);
}

const WORST: Status[] = [
  "failed", "timeout", "running", "paused", "queued", "stale", "maybe", "cancelled", "skipped", "ran", "cutoff", "reused", "never",
];

/** The state that asks for attention first. */
export function worst(statuses: Iterable<Status>): Status {
  let least = WORST.length - 1;
  for (const s of statuses) least = Math.min(least, WORST.indexOf(s));
  return WORST[least];
}

export function cardStatus(m: GraphModel, card: Card): Status {
  return card.node >= 0 ? m.of(card.node) : worst(card.members.map((i) => m.of(i)));
}

/** Counts for the bar of a group. */
export function groupFamily(m: GraphModel, card: Card): Family {
  const f: Family = { n: card.members.length, done: 0, reused: 0, ran: 0, running: 0, failed: 0, settled: 0 };
  for (const i of card.members) {
    const s = m.of(i);
    if (s === "reused" || s === "cutoff") f.reused++;
    else if (s === "ran") f.ran++;
    else if (s === "running") f.running++;
    else if (s === "failed" || s === "timeout") f.failed++;
  }
  f.done = f.reused + f.ran;
  f.settled = f.done + f.failed;
  return f;
}

const STRENGTH: EdgeKind[] = ["reused", "inactive", "cutoff", "carried"];

/** The kind of an edge between cards: of all in it the one that says most. */
export function kindOf(m: GraphModel, within: [number, number][]): EdgeKind {
  let most = 0;
  for (const [a, b] of within) most = Math.max(most, STRENGTH.indexOf(edgeKind(m, a, b)));
  return STRENGTH[most];
}
