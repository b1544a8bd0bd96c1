import { describe, expect, test } from "vitest";
import { STATES } from "../harness/states";
import { cardText, damNote, dams, edgeKind, footnote, legend, progress, sentence, spoken, summary, tooltip } from "./facts";
import { GraphModel } from "./model";
import { STATUS, type RunInfo, type Status } from "./protocol";

function shown(name: string): GraphModel {
  const state = STATES[name](), m = new GraphModel(() => 0);
  m.gone = Boolean(state.gone);
  m.restore(state.saved, state.status, state.times);
  return m;
}

const say = (m: GraphModel, brief = false) => sentence(m, brief).map((p) => p.text).join("");
const at = (m: GraphModel, name: string) => m.byName.get(name)!;

function small(statuses: Status[], run: Partial<RunInfo> = {}, changed: number[] = [], expected?: number): GraphModel {
  const m = new GraphModel(() => 0);
  const nodes = statuses.map((_, i) => ({ name: `n${i}`, expected }));
  const edges = statuses.slice(1).map((_, i): [number, number] => [i, i + 1]);
  m.restore({ seq: 0, doc: { nodes, edges, run: { state: "done", number: 5, workers: 1, elapsed: 6.5, ...run }, lanes: [] }, changed }, Uint8Array.from(statuses.map((s) => STATUS.indexOf(s))), null);
  return m;
}

describe("edges say what travelled", () => {
  test.each<[Status, Status, boolean, string]>([
    ["ran", "running", true, "carried"], ["ran", "ran", true, "carried"], ["ran", "queued", true, "carried"], ["ran", "failed", true, "carried"],
    ["ran", "ran", false, "cutoff"], ["ran", "cutoff", false, "cutoff"], ["cutoff", "cutoff", false, "cutoff"],
    ["reused", "ran", false, "reused"], ["reused", "cutoff", false, "reused"], ["reused", "stale", false, "reused"],
    ["never", "never", false, "inactive"], ["queued", "queued", false, "inactive"], ["ran", "skipped", true, "inactive"], ["running", "queued", false, "inactive"],
    ["stale", "maybe", false, "inactive"], ["failed", "skipped", false, "inactive"],
  ])("%s → %s, changed %s: %s", (from, to, changed, kind) => {
    expect(edgeKind(small([from, to], {}, changed ? [0] : []), 0, 1)).toBe(kind);
  });
});

test("one dam a node, with what it spared", () => {
  const m = shown("cutoff"), found = dams(m);
  expect(found.map((d) => m.nodes[d.node].name)).toEqual(["joined"]);
  expect(damNote(found[0])).toEqual(["same value", "8 nodes did not run", "about 0:54 saved"]);
});

describe("the sentence of the toolbar", () => {
  test.each([
    ["idle", "Nothing has run yet"], ["stale", "1 stale, 9 may be; at most 1:01"], ["running", "Running 0:13, about 0:29 left"],
    ["cutoff", "Up to date 2 ran in 6.5 s; the change stopped at joined"], ["failed", "1 failed model, 2 skipped below it, 7 ran in 24.1 s"],
    ["timeline", "Done 15 of 15 in 42.6 s"], ["gone", "No kernel. Last known state, run 41"],
  ])("%s: %s", (name, expected) => expect(say(shown(name))).toBe(expected));

  test.each<[string, Status[], Partial<RunInfo>, string]>([
    ["nothing had to run", ["reused", "reused"], {}, "Up to date nothing had to run"],
    ["no history", ["ran", "running", "queued"], { state: "running" }, "Running 0:06, 1 of 3"],
    ["pausing", ["running", "running", "queued"], { state: "pausing" }, "Pausing: 2 still running"],
    ["paused", ["ran", "paused", "queued"], { state: "paused" }, "Paused 1 of 3"],
    ["cancelling", ["running"], { state: "cancelling" }, "Cancelling…"],
    ["cancelled", ["ran", "cancelled"], { state: "cancelled" }, "Cancelled 1 of 2 ran"],
    ["several failed", ["failed", "failed", "failed"], { state: "failed" }, "3 failed n0, n1 and 1 more, 0 ran in 6.5 s"],
    ["some left out", ["ran", "skipped", "skipped"], { state: "done" }, "Done 1 ran in 6.5 s, 2 left out"],
    ["all left out", ["reused", "skipped"], { state: "done" }, "Done 0 ran, 1 left out"],
    ["failed, and others left out", ["skipped", "failed"], { state: "failed" }, "1 failed n1, 0 ran in 6.5 s"],
    ["only doubts", ["maybe"], { state: "done" }, "1 may be stale"],
  ])("%s", (_, statuses, run, expected) => expect(say(small(statuses, run, statuses.map((_, i) => i)))).toBe(expected));

  test("is short where there is little room", () => expect(say(shown("running"), true)).toBe("0:13, 0:29 left"));
});

test("progress goes by expected time, not by count", () => {
  const m = small(["ran", "queued"], { state: "running" });
  m.nodes[0].expected = 1;
  m.nodes[1].expected = 9;
  expect(progress(m)).toMatchObject({ done: 0.1, left: 9, known: true });
  m.nodes[1].expected = 0.5;
  expect(progress(m).left).toBe(0.5);
});

test("what remains is the longest way when workers are free, and shared work when they are not", () => {
  const m = new GraphModel(() => 0);
  const nodes = [0, 1, 2, 3].map((i) => ({ name: String(i), expected: 4 }));
  const queued = new Uint8Array(4).fill(STATUS.indexOf("queued"));
  const run = (workers: number): RunInfo => ({ state: "running", number: 1, workers, elapsed: 0 });
  const left = (edges: [number, number][], workers: number) => {
    m.restore({ seq: 0, doc: { nodes, edges, run: run(workers), lanes: [] }, changed: [] }, queued, null);
    return progress(m).left;
  };
  expect([left([], 4), left([], 1), left([[0, 1], [1, 2], [2, 3]], 4)]).toEqual([4, 16, 16]);
});

test("the legend counts what is there, failed and running first, and children that failed", () => {
  expect(legend(shown("running")).map((e) => `${e.count} ${e.word}`)).toEqual(["2 running", "4 ran", "5 reused", "2 queued", "2 skipped", "1 child failed"]);
  expect(legend(shown("stale")).map((e) => `${e.count} ${e.word}`)).toEqual(["1 stale", "9 maybe stale", "5 current"]);
  expect(legend(shown("gone")).map((e) => e.word)).toContain("interrupted");
  expect(legend(shown("failed"))[0]).toMatchObject({ status: "failed", count: 1 });
});

test("the second line of a card", () => {
  const m = shown("running");
  const lines = Object.fromEntries(["flights", "features", "by_carrier", "model", "report"].map((n) => [n, cardText(m, at(m, n))]));
  expect(lines.flights).toMatchObject({ left: "337k × 19", right: "0.4 s" });
  expect(lines.features).toMatchObject({ left: "~3 s left", right: "6.2 s", rightInk: "runt" });
  expect(lines.by_carrier).toMatchObject({ left: "9 of 16", right: "1 failed", rightInk: "failt" });
  expect(lines.model).toMatchObject({ left: "queued", right: "~24 s" });
  expect(lines.report).toMatchObject({ left: "by_carrier failed", right: "" });
  const gone = shown("gone");
  expect([cardText(gone, at(gone, "features")).left, cardText(gone, at(gone, "model")).left]).toEqual(["interrupted", "did not run"]);
  const failed = shown("failed");
  expect(cardText(failed, at(failed, "model"))).toMatchObject({ left: "KeyError", leftBad: true, right: "0.3 s" });
});

test("readers hear name, state, facts and inputs", () => {
  const m = shown("running");
  expect(spoken(m, at(m, "by_carrier"))).toBe("by_carrier, running, 9 of 16, 1 failed, from joined, airlines");
  expect(summary(m)).toBe("15 nodes, 2 running, 4 ran, 5 reused, 2 queued, 2 skipped, 1 child failed");
});

test("a cut-off node says who stopped the change, however far above", () => {
  const m = shown("cutoff");
  expect(tooltip(m, at(m, "report"))).toMatchObject({ head: "report: cut off", lines: expect.arrayContaining(["joined gave the same value"]) });
  expect(tooltip(m, at(m, "joined")).lines).toContain("same value; 8 nodes did not run; about 0:54 saved");
});

test("the footnote", () => {
  expect([footnote(shown("running")), footnote(shown("cutoff")), footnote(shown("stale"))]).toEqual(["run 41, 2 workers", "run 41, finished 14:02:17", "as of the last time each cell was run"]);
});
