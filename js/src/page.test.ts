// @vitest-environment jsdom
import { readdirSync, readFileSync } from "node:fs";
import { expect, test, vi } from "vitest";
import { STATES } from "../harness/states";
import { Details, marked } from "./details";
import { legend } from "./facts";
import { mermaid, trace } from "./export";
import { Legend } from "./legend";
import { drawLine } from "./line";
import { GraphModel } from "./model";
import { drawGlyph, SvgPen } from "./pen";
import { STATUS } from "./protocol";
import { PAPER } from "./tokens";

const HOSTILE = '<img src=x onerror="window.hacked=1">';

function model(name = "hostile"): GraphModel {
  const state = STATES[name](), m = new GraphModel(() => 0);
  m.restore(state.saved, state.status, state.times);
  return m;
}

test("names from a notebook are text, never markup", () => {
  const state = STATES.hostile(), m = model();
  const details = new Details(m, { act: () => undefined, select: () => undefined, canGo: () => true });
  const i = m.byName.get(HOSTILE)!;
  details.show(i, Object.values(state.details!)[0], false);
  const line = document.createElement("div"), bottom = new Legend(() => undefined);
  drawLine(line, state.line);
  bottom.update(legend(m), HOSTILE, new Set());
  document.body.append(details.el, line, bottom.el);
  expect(document.querySelectorAll("img, script, [onerror]")).toHaveLength(0);
  expect(details.el.querySelector("h3")!.textContent).toBe(HOSTILE);
  expect(document.body.textContent).not.toMatch(/[\u0000\u001b\u202e]/);
});

test("the details of what is there do not lose the reader's place", () => {
  const m = model("why"), details = new Details(m, { act: () => undefined, select: () => undefined, canGo: () => false });
  const i = m.byName.get("clean")!, detail = STATES.why().details!.clean;
  details.show(i, detail, false);
  const column = details.el.querySelector(".dag-col")!;
  details.show(i, structuredClone(detail), false);
  expect(details.el.querySelector(".dag-col")).toBe(column);
});

test("a click on a row of the details selects that node; on a button, acts", () => {
  const m = model("failed"), select = vi.fn(), act = vi.fn();
  const details = new Details(m, { act, select, canGo: () => true });
  details.show(m.byName.get("model")!, STATES.failed().details!.model, false);
  details.el.querySelector<HTMLElement>("tr.go")!.click();
  [...details.el.querySelectorAll("button")].find((b) => b.textContent === "Retry")!.click();
  expect([select.mock.calls, act.mock.calls]).toEqual([[["score"]], [["retry", "model"]]]);
});

test("of two lines only what differs is marked", () => {
  const cuts = marked([{ n: 1, sign: "-", text: "x = a > 15" }, { n: 2, sign: "+", text: "x = a.gt(15)" }, { n: 3, sign: "+", text: "  y = 2" }, { n: 4, sign: "", text: "z" }])
    .map(({ line, cut }) => line.text.slice(...(cut.length ? cut : [0, 0])));
  expect(cuts).toEqual([" > 15", ".gt(15)", "y = 2", ""]);
});

test("SVG and Mermaid texts hold hostile names harmlessly, and SVG is well formed", () => {
  const pen = new SvgPen('Inter, "Segoe UI"');
  pen.text(1, 2, HOSTILE + "&\u202e", { size: 11, ink: '"/><script>' });
  for (const status of STATUS) drawGlyph(pen, PAPER, 0, 0, status);
  const text = pen.finish(10, 10, "#fff", "</title><script>");
  const doc = new DOMParser().parseFromString(text, "image/svg+xml");
  expect(doc.querySelector("parsererror, script, img")).toBeNull();
  expect(doc.querySelector("text")!.textContent).toContain(HOSTILE);
  expect(mermaid(model()).split("\n").slice(1, -1).every((line) => /^  n\d+(\[\[?"[^"<>]*"\]\]?| --> n\d+)$/.test(line))).toBe(true);
});

test("the trace is JSON that names lanes and bars", () => {
  const { traceEvents } = JSON.parse(trace(model("timeline"))) as { traceEvents: { ph: string; name: string; ts: number; dur: number }[] };
  expect(traceEvents.filter((e) => e.ph === "M")).toHaveLength(5);
  expect(traceEvents.find((e) => e.name === "model")).toMatchObject({ ph: "X", ts: 16_000_000, dur: 24_299_999 });
});

test("no source turns text into markup or code, or fetches anything", () => {
  for (const name of readdirSync("src").filter((n) => n.endsWith(".ts") && !n.endsWith(".test.ts"))) {
    expect(readFileSync(`src/${name}`, "utf-8"), name).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|\beval\(|new Function|document\.write|\bfetch\(|XMLHttpRequest|import\(|https?:\/\/(?!www\.w3\.org)/);
  }
});
