import { expect, test } from "vitest";
import { large, STATES } from "../harness/states";
import { listOrder, rails } from "./list";
import { GraphModel } from "./model";

function model(state = STATES.running()): GraphModel {
  const m = new GraphModel(() => 0);
  m.restore(state.saved, state.status, state.times);
  return m;
}

test("every node follows its inputs, once", () => {
  for (const m of [model(), model(large(300, 1e9)), model(large(2000))]) {
    const order = listOrder(m), place = new Map(order.map((i, k) => [i, k]));
    expect(new Set(order).size).toBe(m.tops.length);
    for (const [a, b] of m.edges) expect(place.get(a)!).toBeLessThan(place.get(b)!);
  }
});

test("rails in one lane never overlap, and a node used only by the next row needs none", () => {
  const m = model(large(200, 1e9)), order = listOrder(m), { rails: list, lanes } = rails(m, order);
  for (let lane = 0; lane < lanes; lane++) {
    let until = -1;
    for (const rail of list.filter((r) => r.lane === lane)) {
      expect(rail.from).toBeGreaterThanOrEqual(until);
      until = Math.max(...rail.to);
    }
  }
  for (const rail of list.filter((r) => r.lane === -1)) expect(rail.to).toEqual([rail.from + 1]);
});

test("the list of the example is as designed", () => {
  const m = model();
  expect(listOrder(m).map((i) => m.nodes[i].name)).toEqual(["flights", "clean", "weather", "planes", "airports", "joined", "features", "model", "score", "by_hour", "fig_hours", "airlines", "by_carrier", "fig_carriers", "report"]);
});
