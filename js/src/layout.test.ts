import { expect, test } from "vitest";
import vectors from "../../tests/golden/layout.json";
import { cold, edgePath, gapFor, warm, type Layout, type LayoutInput } from "./layout";

interface Vector {
  name: string;
  gap: number;
  input: LayoutInput;
  cold: Layout;
  path: number[][];
  then?: LayoutInput;
  warm?: Layout;
}

/** The same numbers in every engine, so that a failure can be repeated. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1664525 + 1013904223) >>> 0) / 4294967296;
}

function randomGraph(random: () => number, n: number, reach: number, density: number): LayoutInput {
  const edges: [number, number][] = [];
  for (let k = 0; n > 1 && k < n * density; k++) {
    const b = 1 + Math.floor(random() * (n - 1));
    edges.push([Math.max(0, b - 1 - Math.floor(random() * reach)), b]);
  }
  return { widths: Array.from({ length: n }, () => 124 + 4 * Math.floor(random() * 20)), heights: Array(n).fill(40), edges };
}

/** Names of edges that run through a card, sampled each 1.5 px. */
function through(layout: Layout): string[] {
  const found = new Set<string>();
  layout.routes.forEach((route, e) => {
    for (const [x1, y1, cx1, cy1, cx2, cy2, x2, y2] of edgePath(route)) {
      const steps = Math.max(2, Math.ceil((Math.abs(x2 - x1) + Math.abs(y2 - y1)) / 1.5));
      for (let k = 0; k <= steps; k++) {
        const t = k / steps;
        const at = (p: number, q: number, r: number, s: number) =>
          (1 - t) ** 3 * p + 3 * t * (1 - t) ** 2 * q + 3 * t * t * (1 - t) * r + t ** 3 * s;
        const x = at(x1, cx1, cx2, x2);
        const y = at(y1, cy1, cy2, y2);
        layout.x.forEach((left, i) => {
          const top = layout.y[i];
          if (x > left && x < left + layout.w[i] && y > top && y < top + layout.h[i]) found.add(`${layout.edges[e]} by ${i}`);
        });
      }
    }
  });
  return [...found];
}

for (const vector of vectors as unknown as Vector[]) {
  test(`golden vector: ${vector.name}`, () => {
    const made = cold(vector.input, vector.gap);
    expect(made).toEqual(vector.cold);
    expect(made.routes.length ? edgePath(made.routes[made.routes.length - 1]) : []).toEqual(vector.path);
    expect(gapFor(made.columnW, 1100)).toBe(vector.gap);
    if (vector.then) expect(warm(vector.then, vector.gap, made)).toEqual(vector.warm);
  });
}

test("no line runs through a card of 60 random graphs", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = numbers(seed);
    const input = randomGraph(random, 1 + Math.floor(random() * 25), 1 + Math.floor(random() * 12), 0.8 + random());
    expect(through(cold(input, 24)), `seed ${seed}`).toEqual([]);
  }
});

test("300 nodes take a few milliseconds", () => {
  const input = randomGraph(numbers(3), 300, 20, 1.3);
  const made = cold(input, 24);
  const fastest = (work: () => void) => {
    const times = Array.from({ length: 7 }, () => {
      const start = performance.now();
      work();
      return performance.now() - start;
    });
    return Math.min(...times);
  };
  const coldTime = fastest(() => cold(input, 24));
  const warmTime = fastest(() => warm(input, 24, made));
  console.log(`cold ${coldTime.toFixed(1)} ms, warm ${warmTime.toFixed(1)} ms, ${made.columnX.length} columns`);
  expect(coldTime).toBeLessThan(100); // about 10 ms on a quiet machine; this one may be busy
  expect(warmTime).toBeLessThan(20);
});
