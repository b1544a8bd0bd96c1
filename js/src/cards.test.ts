import { expect, test } from "vitest";
import { large, STATES, type State } from "../harness/states";
import { deckOf, groupFamily, kindOf, worst } from "./cards";
import { hit, matcher, noFilter } from "./filter";
import { GraphModel } from "./model";
import { cellAt, cellRect, Scene, unfoldCells, unfoldRows } from "./scene";

function model(state: State = STATES.running()): GraphModel {
  const m = new GraphModel(() => 0);
  m.restore(state.saved, state.status, state.times);
  return m;
}
const small = (t: string) => t.length * 6;

test("up to 150 nodes have a card each; more are folded by cell, then by module", () => {
  expect(deckOf(model())).toMatchObject({ grouped: "", cards: { length: 15 } });
  expect(deckOf(model(STATES.large()))).toMatchObject({ grouped: "cell", cards: { length: 22 } });
  const many = deckOf(model(large(10_000, 30)));
  expect(many.grouped).toBe("module");
  expect(many.cards.length).toBeLessThanOrEqual(150);
  expect(many.edges.length).toBeLessThanOrEqual(600);
  expect(many.cards.reduce((n, card) => n + card.members.length, 0)).toBe(10_000);
});

test("groups are joined once, and never in a circle", () => {
  const state = large(400);
  state.saved.doc.edges.push(...state.saved.doc.edges.slice(50, 90).map(([a, b]): [number, number] => [b, Math.min(399, a + 60)]));
  const { cards, edges } = deckOf(model(state));
  expect(new Set(edges.map(String)).size).toBe(edges.length);
  const seen = new Set<number>(), left = new Set(cards.keys());
  for (let before = -1; before !== left.size; ) {
    before = left.size;
    for (const c of left) if (edges.every(([a, b]) => b !== c || seen.has(a))) { seen.add(c); left.delete(c); }
  }
  expect(left.size).toBe(0);
});

test("a group shows its worst state, and its edges say the most that travelled", () => {
  const m = model(STATES.large()), deck = deckOf(m), group = deck.cards.find((card) => card.title === "Delay features")!;
  expect([worst(group.members.map((i) => m.of(i))), groupFamily(m, group).failed, group.prompt]).toEqual(["failed", 1, "[11]"]);
  expect(deck.within.every((w) => ["carried", "cutoff", "reused", "inactive"].includes(kindOf(m, w)))).toBe(true);
});

test("a place in an unfolded card leads back to its cell", () => {
  const many = Array.from({ length: 5000 }, (_, k) => k);
  for (const u of [unfoldCells(many.slice(0, 16), many.slice(0, 16).map(() => "AA"), small), unfoldCells(many, many.map(String), small), unfoldRows(many, 124)]) {
    const shown = Math.ceil(u.items.length / u.per);
    for (let k = 0; k < shown; k++) {
      const r = cellRect(u, k);
      expect(cellAt(u, r.x + 2, r.y + 2)).toBe(k);
      expect(r.x + r.w <= u.w && r.y + r.h <= u.h).toBe(true);
    }
    expect(cellAt(u, 10, u.h + 40)).toBe(-1);
  }
});

test("16 short labels are cells on 172 by 148; over 2,000 children share squares", () => {
  const labels = Array.from({ length: 16 }, () => "AA");
  expect(unfoldCells(labels.map((_, k) => k), labels, small)).toMatchObject({ kind: "cells", w: 172, h: 148, columns: 4 });
  const many = Array.from({ length: 5000 }, (_, k) => k);
  expect(unfoldCells(many, many.map(String), small)).toMatchObject({ kind: "squares", per: 3 });
});

test("unfolding moves only what is right of the card, by one distance, and what is below it in its column", () => {
  const m = model(), scene = new Scene(m, small, small);
  scene.refresh(1140);
  const c = scene.deck.cardOf[m.byName.get("by_carrier")!], before = scene.now;
  scene.unfolds.set(c, scene.unfoldOf(c, null)!);
  scene.pose(new Map([[c, 1]]));
  const dx = scene.now.x.map((x, k) => x - before.x[k]), right = before.column.map((col) => col > before.column[c]);
  expect(new Set(dx.filter((_, k) => right[k])).size).toBe(1);
  expect(dx.filter((_, k) => !right[k]).every((d) => d === 0)).toBe(true);
  expect(scene.now.y.every((y, k) => y === before.y[k] || (before.column[k] === before.column[c] && before.y[k] > before.y[c]))).toBe(true);
  scene.pose(new Map());
  expect(scene.now).toEqual(before);
});

test("a node that comes later moves none of the others", () => {
  const state = STATES.running(), m = model(state), scene = new Scene(m, small, small);
  scene.refresh(1140);
  const before = new Map(scene.deck.cards.map((card, c) => [card.key, scene.rect(c).y]));
  const nodes = [{ name: "aaa_new" }, ...state.saved.doc.nodes.slice(0, 15)];
  m.restore({ ...state.saved, doc: { ...state.saved.doc, nodes, edges: [...state.saved.doc.edges.map(([a, b]): [number, number] => [a + 1, b + 1]), [6, 0]] } }, null, null);
  scene.refresh(1140);
  expect(scene.deck.cards).toHaveLength(16);
  const moved = scene.deck.cards.filter((card, c) => before.has(card.key) && before.get(card.key) !== scene.rect(c).y);
  expect(moved.map((card) => card.key)).toEqual([]);
});

test("filters by name, state, and place in the graph", () => {
  const m = model(), names = (f: Parameters<typeof matcher>[1]) => m.tops.filter(matcher(m, f)!).map((i) => m.nodes[i].name);
  expect(matcher(m, noFilter())).toBeNull();
  expect(names({ ...noFilter(), text: "FIG" })).toEqual(["fig_hours", "fig_carriers"]);
  expect(names({ ...noFilter(), states: new Set(["running"]) })).toEqual(["features", "by_carrier"]);
  expect(names({ ...noFilter(), states: new Set(["child"]) })).toEqual(["by_carrier"]);
  expect(names({ ...noFilter(), only: "upstream", from: m.byName.get("clean")! })).toEqual(["flights", "clean"]);
  expect(names({ ...noFilter(), only: "downstream", from: m.byName.get("model")! })).toEqual(["model", "score", "report"]);
  expect(names({ ...noFilter(), only: "failed" })).toEqual(["by_carrier"]);
  expect([hit("delay_by_hour", "DELAY"), hit("x", "")]).toEqual([["", "delay", "_by_hour"], null]);
});
