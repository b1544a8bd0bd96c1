import { expect, test } from "vitest";
import { STATES } from "../harness/states";
import { GraphModel } from "./model";
import { advice, axisStep, barsOf, busyShare, busySteps, criticalPath, merged, type Bar } from "./timeline";

function shown(): GraphModel {
  const state = STATES.timeline(), m = new GraphModel(() => 0);
  m.restore(state.saved, state.status, state.times);
  return m;
}

const bar = (lane: number, from: number, to: number, more: Partial<Bar> = {}): Bar => ({ node: 0, lane, from, to, critical: false, failed: false, count: 1, ...more });

test("the critical path goes back from the last end by the input that came last", () => {
  const m = shown();
  expect(criticalPath(m).map((i) => m.nodes[i].name)).toEqual(["flights", "clean", "joined", "features", "model", "score", "report"]);
});

test("a mapped node is shown by its children", () => {
  const m = shown(), names = barsOf(m).map((b) => m.nodes[b.node].name);
  expect(names).not.toContain("by_carrier");
  expect(names.filter((n) => n.startsWith("by_carrier"))).toHaveLength(16);
});

test("one sentence says what would shorten the run", () => {
  expect(advice(shown()).map((p) => p.text).join("")).toBe("Critical path 42.6 s: model 57 %, features 21 %, joined 11 %, clean 4 %. More workers would not shorten this run; a faster model would.");
  expect(Math.round(100 * busyShare(shown()))).toBe(43);
});

test("bars below a pixel become one, and the worst of them decides", () => {
  const bars = Array.from({ length: 1000 }, (_, k) => bar(0, k * 0.001, k * 0.001 + 0.001, { failed: k === 500 }));
  const few = merged(bars, 0.1);
  expect(few.length).toBeLessThan(20);
  expect(few.reduce((sum, b) => sum + b.count, 0)).toBe(1000);
  expect(few.some((b) => b.failed)).toBe(true);
  expect(merged([bar(0, 0, 5), bar(0, 5, 9)], 0.1)).toHaveLength(2);
  expect(merged([bar(0, 0, 0.01), bar(1, 0.01, 0.02)], 1)).toHaveLength(2);
});

test("busy counts rise and fall, and end at none", () => {
  expect(busySteps([bar(0, 0, 2), bar(1, 1, 3), bar(0, 2, 4)])).toEqual([[0, 1], [1, 2], [2, 2], [3, 1], [4, 0]]);
});

test("axis steps are round and about 160 px apart", () => {
  expect([axisStep(42.6, 1040), axisStep(0.02, 1000), axisStep(7200, 800)]).toEqual([10, 0.005, 1800]);
});
