import { expect, test } from "vitest";
import { clock, duration, elideEnd, elideMiddle, estimate, grouped, plain, plainLines } from "./text";

test("nothing invisible, and nothing that turns the reading direction, is left in a text", () => {
  expect(plain("a\u0000b\u001b[31m\u007f")).toBe("a␀b␛[31m␡");
  expect(plain("abc\u202egnp.exe\u200b\ufeff\u2066")).toBe("abc‹202E›gnp.exe‹200B›‹FEFF›‹2066›");
  expect(plain("日本 é שלום")).toBe("日本 é שלום");
  expect(plain(undefined)).toBe("");
});

test("lines of code keep their ends and tabs", () => expect(plainLines("a\r\n\tb\rc\u0007")).toBe("a\n\tb\nc␇"));

test("times", () => {
  expect([0.44, 24.3, 59.97, 112, 7390].map(duration)).toEqual(["0.4 s", "24.3 s", "0:59", "1:52", "2:03:10"]);
  expect([duration(NaN), clock(12.2, Math.ceil), estimate(0.2), estimate(24.4), estimate(112)]).toEqual(["", "0:13", "~1 s", "~24 s", "~1:52"]);
  expect([grouped(327346), grouped(16)]).toEqual(["327,346", "16"]);
});

test("an elided text fits, and keeps as much as it can", () => {
  const measure = (t: string) => t.length;
  for (let width = 1; width < 12; width++) {
    expect(elideMiddle("delay_by_hour", width, measure).length).toBe(width);
    expect(elideEnd("delay_by_hour", width, measure).length).toBeLessThanOrEqual(width);
  }
  expect([elideMiddle("delay_by_hour", 13, measure), elideMiddle("delay_by_hour", 7, measure), elideEnd("327k × 20", 7, measure)]).toEqual(["delay_by_hour", "del…our", "327k ×…"]);
});
