import { expect, test } from "vitest";
import { contrast, derive, ensured, hex, PAPER, rgb, type Rgb } from "./tokens";

const theme = (bg: string, card: string, ink: string, run: string, fail: string, warn: string) => {
  const seed = { bg, card, ink, run, run2: "#64b5f6", fail, fail2: "#e57373", warn };
  return derive(Object.fromEntries(Object.entries(seed).map(([k, v]) => [k, rgb(v)])) as never);
};

test("JupyterLab's themes give the colours of the design", () => {
  expect(PAPER).toMatchObject({ t1: "#212121", t2: "#525252", t3: "#6b6b6b", edge: "#919191", run: "#1976d2", fail: "#d32f2f", stale: "#cc7a00" });
  const dark = theme("#111111", "#212121", "#ffffff", "#2196f3", "#f44336", "#ff9800");
  expect(dark.dark).toBe(true);
  expect(dark.colors).toMatchObject({ t1: "#e0e0e0", edge: "#777777", run: "#2196f3", runt: "#64b5f6", failt: "#e57373", stale: "#ff9800" });
});

test("in any theme text stands out 4.5 to 1, and marks 3 to 1", () => {
  let seed = 9;
  const random = () => (seed = (seed * 1664525 + 1013904223) >>> 0) / 4294967296;
  const any = () => hex([0, 0, 0].map(() => Math.floor(random() * 256)) as Rgb);
  for (let k = 0; k < 200; k++) {
    const dark = random() < 0.5, base = dark ? Math.floor(random() * 40) : 255 - Math.floor(random() * 30);
    const bg = hex([base, base, base]), ink = dark ? "#ffffff" : "#000000";
    const { colors: c } = theme(bg, bg, ink, any(), any(), any());
    for (const text of [c.t1, c.t2, c.t3, c.runt, c.failt]) expect(contrast(rgb(text), rgb(bg)), `${text} on ${bg}, round ${k}`).toBeGreaterThanOrEqual(4.45);
    for (const mark of [c.run, c.fail, c.stale, c.edge]) expect(contrast(rgb(mark), rgb(bg)), `${mark} on ${bg}, round ${k}`).toBeGreaterThanOrEqual(2.95);
  }
});

test("a colour that stands out is left as it is", () => expect(hex(ensured(rgb("#1976d2"), [0, 0, 0], [[255, 255, 255]], 3))).toBe("#1976d2"));
