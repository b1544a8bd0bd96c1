import { describe, expect, test } from "vitest";
import { CARRIERS, STATES } from "../harness/states";
import { GraphModel } from "./model";
import { STATUS, type Record as Change, type Snapshot, type Status } from "./protocol";

const code = (status: Status) => STATUS.indexOf(status);

function chain(): GraphModel {
  const doc: Snapshot = {
    nodes: ["a", "b", "c"].map((name) => ({ name })), edges: [[0, 1], [1, 2]], run: { state: "running", number: 1, workers: 2, elapsed: 0 }, lanes: ["main thread"],
  };
  const m = new GraphModel(() => 0);
  m.restore({ seq: 10, doc, changed: [] }, new Uint8Array([1, 1, 1]), null);
  return m;
}

/** Events as the kernel packs them: (index | status << 24), ticks of 10 µs. */
function send(m: GraphModel, seq: number, events: [number, Status, number][], rec: Change[] = []): boolean {
  const words = new Uint32Array(events.flatMap(([i, status, seconds]) => [(i | (code(status) << 24)) >>> 0, Math.round(seconds * 1e5)]));
  // A DataView that does not start at a multiple of 4, as a comm may hand it over.
  const shifted = new Uint8Array(words.byteLength + 1);
  shifted.set(new Uint8Array(words.buffer), 1);
  return m.apply({ t: "ev", seq, n: events.length, rec }, new DataView(shifted.buffer, 1));
}

test("a running node starts its bar, and any later status ends it", () => {
  const m = chain();
  expect(send(m, 10, [[0, "running", 0.5], [0, "ran", 2]])).toBe(true);
  expect([m.of(0), m.start[0], m.end[0], m.took(0)]).toEqual(["ran", 0.5, 2, 1.5]);
});

test("a missing message changes nothing and asks for a snapshot; a repeated one is ignored", () => {
  const m = chain();
  expect(send(m, 12, [[0, "ran", 1]])).toBe(false);
  expect([m.of(0), m.seq]).toEqual(["queued", 10]);
  expect(send(m, 10, [[0, "ran", 1]])).toBe(true);
  expect(send(m, 10, [[0, "failed", 1]])).toBe(true);
  expect([m.of(0), m.seq]).toEqual(["ran", 11]);
});

test("records are applied before the event that they stand at", () => {
  const m = chain();
  send(m, 10, [[0, "running", 0], [3, "ran", 1], [4, "failed", 1]], [
    { k: "expand", at: 1, parent: 1, first: 3, labels: ["x", "y"] }, { k: "info", at: 2, i: 4, info: { note: "KeyError" } }, { k: "lane", at: 0, i: 0, lane: 2 },
    { k: "changed", at: 3, i: 0, changed: false },
  ]);
  expect(m.kids.get(1)).toEqual([3, 4]);
  expect([m.nodes[3].name, m.of(3), m.of(4), m.nodes[4].note, m.lane[0], m.verdict[0]]).toEqual(['b["x"]', "ran", "failed", "KeyError", 2, 2]);
  expect(m.family(1)).toMatchObject({ n: 2, ran: 1, failed: 1, done: 1, settled: 2 });
  expect(m.tops).toEqual([0, 1, 2]);
});

test("events of unknown nodes and states are left out, and counted", () => {
  const m = chain();
  m.apply({ t: "ev", seq: 10, n: 2 }, new Uint32Array([0x00ffffff, 0, 1 | (99 << 24), 0]));
  expect([m.seq, m.of(1)]).toEqual([12, "queued"]);
});

test("the same events give the same state in one message or in many", () => {
  let seed = 42;
  const random = () => (seed = (seed * 1664525 + 1013904223) >>> 0) / 4294967296;
  const events = Array.from({ length: 60 }, (_, k): [number, Status, number] => [Math.floor(random() * 3), STATUS[Math.floor(random() * STATUS.length)], k / 10]);
  const one = chain(), many = chain();
  send(one, 10, events);
  events.forEach((event, k) => send(many, 10 + k, [event]));
  expect([many.status, many.start, many.end, many.seq]).toEqual([one.status, one.start, one.end, one.seq]);
});

test("a late view starts from the saved state: statuses, times, lanes, changed values", () => {
  const state = STATES.timeline(), m = new GraphModel(() => 0);
  m.restore(state.saved, new DataView(state.status.buffer), new DataView(state.times.buffer));
  const joined = m.byName.get("joined")!;
  expect([m.of(joined), m.verdict[joined], m.lane[joined]]).toEqual(["ran", 1, 1]);
  expect(m.took(joined)).toBeCloseTo(4.6, 4);
  expect(m.kids.get(m.byName.get("by_carrier")!)!.length).toBe(CARRIERS.length);
});

test("a saved state without times, or with too few, still shows", () => {
  const state = STATES.running(), m = new GraphModel(() => 0);
  m.restore(state.saved, state.status, null);
  expect(m.took(0)).toBeNaN();
  m.restore(state.saved, state.status.slice(0, 3), new Uint8Array(7));
  expect(m.of(5)).toBe("never");
});

describe("without a kernel", () => {
  test("what was running is interrupted and time stands still", () => {
    const m = chain();
    send(m, 10, [[0, "ran", 1], [1, "running", 1]]);
    m.gone = true;
    expect([m.of(0), m.of(1), m.of(2), m.live]).toEqual(["ran", "cancelled", "cancelled", false]);
  });
});

test("elapsed time goes on between messages, and stops when paused or done", () => {
  let now = 0;
  const m = new GraphModel(() => now);
  const doc = (state: "running" | "paused" | "done"): Snapshot => ({ nodes: [], edges: [], run: { state, number: 1, workers: 1, elapsed: 3 }, lanes: [] });
  for (const [state, expected] of [["running", 5], ["paused", 3], ["done", 3]] as const) {
    now = 1000;
    m.restore({ seq: 0, doc: doc(state), changed: [] }, null, null);
    now = 3000;
    expect(m.elapsed()).toBe(expected);
  }
});

test("a graph with a circle is held, not hung", () => {
  const m = new GraphModel(() => 0);
  m.restore({ seq: 0, doc: { nodes: [{ name: "a" }, { name: "b" }, { name: "c" }], edges: [[0, 1], [1, 0], [2, 2], [1, 9]], run: { state: "idle", number: 0, workers: 1, elapsed: 0 }, lanes: [] }, changed: [] }, null, null);
  expect([...m.order].sort()).toEqual([0, 1, 2]);
  expect(m.edges).toEqual([[0, 1], [1, 0]]);
});
