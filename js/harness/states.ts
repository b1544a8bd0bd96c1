// Recorded states of one notebook about flights, as the kernel would send them.

import { STATUS, type Detail, type Line, type NodeInfo, type RunInfo, type Saved, type Status } from "../src/protocol";

export interface State {
  saved: Saved;
  status: Uint8Array;
  times: Float32Array;
  details?: { [name: string]: Detail };
  line?: Line;
  /** What the user has done. */
  select?: string;
  unfold?: string;
  view?: string;
  filter?: string;
  hover?: string;
  gone?: boolean;
}

interface Row { status: Status; start?: number; end?: number; lane?: number; changed?: boolean; info?: Partial<NodeInfo> }

const SHAPES: [string, string, number, string, number][] = [
  ["flights", "337k × 19", 0.4, "cell 1", 0], ["weather", "26k × 15", 0.1, "cell 1", 0], ["planes", "3,322 × 9", 0.1, "cell 1", 0],
  ["airports", "1,458 × 8", 0.1, "cell 1", 0], ["airlines", "16 × 2", 0.1, "cell 1", 0], ["clean", "327k × 20", 1.9, "cell 3", 0],
  ["joined", "327k × 31", 4.6, "cell 4", 0], ["by_hour", "20 × 6", 0.8, "cell 5", 0], ["features", "327k × 42", 9.1, "cell 6", 0],
  ["by_carrier", "", 16.2, "cell 5", 1], ["fig_hours", "figure", 0.6, "cell 5", 0], ["fig_carriers", "figure", 1.2, "cell 5", 0],
  ["model", "estimator", 24.3, "cell 7", 0], ["score", "0.412", 1.4, "cell 8", 0], ["report", "html", 0.9, "cell 9", 0],
];
const EDGES: [string, string][] = [
  ["flights", "clean"], ["clean", "joined"], ["weather", "joined"], ["planes", "joined"], ["airports", "joined"], ["joined", "by_carrier"],
  ["airlines", "by_carrier"], ["joined", "by_hour"], ["joined", "features"], ["by_carrier", "fig_carriers"], ["by_hour", "fig_hours"],
  ["features", "model"], ["model", "score"], ["fig_carriers", "report"], ["fig_hours", "report"], ["score", "report"],
];
export const CARRIERS = "9E AA AS B6 DL EV F9 FL HA MQ OO UA US VX WN YV".split(" ");
const SOURCES = ["flights", "weather", "planes", "airports", "airlines"];

function make(run: RunInfo, rows: { [name: string]: Row }, kids?: (label: string, k: number) => Row, lanes = ["main thread", "worker 1", "worker 2"]): State {
  const nodes: NodeInfo[] = SHAPES.map(([name, meta, expected, cell, mapped]) =>
    ({ name, meta: meta || undefined, expected, cell, cellId: cell.replace(" ", "-"), mapped: mapped ? true : undefined, ...rows[name]?.info }));
  const all: Row[] = SHAPES.map(([name]) => rows[name] ?? { status: "reused" });
  const parent = nodes.findIndex((n) => n.name === "by_carrier");
  CARRIERS.forEach((label, k) => {
    const row = kids?.(label, k) ?? { status: all[parent].status };
    nodes.push({ name: `by_carrier["${label}"]`, label, parent, cell: "cell 5", ...row.info });
    all.push(row);
  });
  const index = new Map(nodes.map((n, i) => [n.name, i]));
  const times = new Float32Array(3 * nodes.length).fill(NaN);
  all.forEach((row, i) => times.set([row.start ?? NaN, row.end ?? NaN, row.lane ?? NaN], 3 * i));
  return {
    saved: { seq: 0, doc: { nodes, edges: EDGES.map(([a, b]) => [index.get(a)!, index.get(b)!]), run, lanes }, changed: all.flatMap((r, i) => (r.status === "ran" && r.changed !== false ? [i] : [])) },
    status: Uint8Array.from(all.map((r) => STATUS.indexOf(r.status))), times,
  };
}

const over = (names: string[], row: Row) => Object.fromEntries(names.map((n) => [n, row]));
const took = (status: Status, seconds: number, extra: Partial<Row> = {}): Row => ({ status, start: 0, end: seconds, lane: 1, ...extra });

const running = (): State => ({
  ...make({ state: "running", number: 41, workers: 2, elapsed: 13.2 }, {
    flights: took("reused", 0.4), ...over(SOURCES.slice(1), took("reused", 0.1)),
    clean: { status: "ran", start: 0.4, end: 2.3, lane: 1 }, joined: { status: "ran", start: 2.3, end: 6.9, lane: 1 },
    by_hour: { status: "ran", start: 6.9, end: 7.7, lane: 2 }, fig_hours: { status: "ran", start: 7.7, end: 8.3, lane: 0 },
    features: { status: "running", start: 7, lane: 1 }, by_carrier: { status: "running", start: 7.7, lane: 2 }, model: { status: "queued" }, score: { status: "queued" },
    fig_carriers: { status: "skipped", info: { note: "by_carrier failed" } }, report: { status: "skipped", info: { note: "by_carrier failed" } },
  }, (label, k) => label === "HA" ? took("failed", 0.1, { info: { note: "ZeroDivisionError" } })
    : k < 10 ? took("ran", { EV: 1.3, B6: 1.2, DL: 1, AA: 0.7, MQ: 0.6 }[label] ?? 0.4, { info: { meta: { EV: "51,108 × 31", B6: "54,049 × 31", DL: "47,658 × 31", AA: "31,947 × 31", MQ: "25,037 × 31" }[label] } })
    : k === 10 ? { status: "running", start: 12.9, lane: 2 } : { status: "queued" }),
  line: { nodes: [{ name: "clean", status: "ran", what: "ran: code changed, 2 lines" }, { name: "2 below", status: "running", what: "running" }], more: "", error: "" },
});

const DOWN = ["by_hour", "features", "by_carrier", "fig_hours", "fig_carriers", "model", "score", "report"];
const cutoff = (): State => ({
  ...make({ state: "done", number: 41, workers: 2, elapsed: 6.5, finished: "14:02:17" },
    { clean: took("ran", 1.9), joined: { ...took("ran", 4.6), changed: false }, ...over(DOWN, { status: "cutoff" }) }),
  line: { nodes: [{ name: "clean", status: "ran", what: "ran: code changed, 2 lines" }, { name: "8 below", status: "cutoff", what: "cut off" }], more: "", error: "" },
  details: { clean: CLEAN, features: FEATURES },
});

const stale = (): State => ({
  ...make({ state: "idle", number: 40, workers: 2, elapsed: 0 }, { clean: { status: "stale", info: { note: "code, 2 lines" } }, ...over(["joined", ...DOWN], { status: "maybe" }) }),
  line: { nodes: [{ name: "clean", status: "stale", what: "code changed, 2 lines" }, { name: "9 below", status: "maybe", what: "may be stale" }], more: "", error: "" },
});

const failed = (): State => ({
  ...make({ state: "failed", number: 43, workers: 2, elapsed: 24.1, finished: "14:09:35" }, {
    clean: took("ran", 1.9), joined: took("ran", 4.6), by_hour: took("ran", 0.8), features: took("ran", 9.1), by_carrier: took("ran", 16.2), fig_hours: took("ran", 0.6),
    fig_carriers: took("ran", 1.2), model: took("failed", 0.3, { info: { note: "KeyError" } }), score: { status: "skipped", info: { note: "model failed" } }, report: { status: "skipped", info: { note: "model failed" } },
  }),
  details: { model: MODEL },
});

function timeline(): State {
  const lanes = ["main thread", "worker 1", "worker 2", "worker 3", "worker 4"];
  const at = (lane: number, start: number, seconds: number, status: Status = "ran"): Row => ({ status, start, end: start + seconds, lane });
  const D = [1.9, 3.2, 0.5, 4.1, 3.7, 4.3, 0.6, 0.5, 0.4, 2.2, 0.3, 4.6, 1.7, 0.7, 1.5, 0.6];
  const free = [0, 0, 7.7, 6.9, 6.9];
  const kids = D.map((seconds) => {
    let lane = 2;
    for (let j = 3; j < 5; j++) if (free[j] < free[lane] - 0.001) lane = j;
    const row = at(lane, free[lane], seconds);
    free[lane] += seconds + 0.05;
    return row;
  });
  const end = Math.max(...free);
  return make({ state: "done", number: 42, workers: 4, elapsed: 42.6, finished: "14:05:02" }, {
    flights: at(1, 0, 0.4, "reused"), weather: at(2, 0, 0.2, "reused"), planes: at(3, 0, 0.1, "reused"), airports: at(4, 0, 0.1, "reused"), airlines: at(3, 0.15, 0.1, "reused"),
    clean: at(1, 0.4, 1.9), joined: at(1, 2.3, 4.6), features: at(1, 6.9, 9.1), by_hour: at(2, 6.9, 0.8), fig_hours: at(0, 7.7, 0.6), by_carrier: at(2, 6.9, end - 6.9), fig_carriers: at(0, end, 1.2),
    model: at(1, 16, 24.3), score: at(1, 40.3, 1.4), report: at(0, 41.7, 0.9),
  }, (_, k) => kids[k], lanes);
}

function idle(): State {
  const nodes = ["raw", "clean", "total"].map((name) => ({ name, cell: "cell 2" }));
  return {
    saved: { seq: 0, doc: { nodes, edges: [[0, 1], [1, 2]], run: { state: "idle", number: 0, workers: 1, elapsed: 0 }, lanes: ["main thread"] }, changed: [] },
    status: new Uint8Array(3), times: new Float32Array(9).fill(NaN),
    line: { nodes: nodes.map(({ name }) => ({ name, status: "never" })), more: "3 nodes, nothing has run yet", error: "" },
  };
}

/** A graph of `n` nodes in cells of about `per`, and a mapped node of `children`. */
export function large(n: number, per = 7, children = 0): State {
  let seed = 7;
  const random = () => (seed = (seed * 1664525 + 1013904223) >>> 0) / 4294967296;
  const titles = ["Load", "Holidays", "Weather", "Airports", "Clean flights", "Geo", "Joins", "Calendar", "Delay features", "Route features", "Carriers", "Baselines", "Delay models", "Scores", "Delay figures", "Maps", "Tables", "Report"];
  const nodes: NodeInfo[] = [];
  const edges: [number, number][] = [];
  const kinds: Status[] = ["ran", "reused", "reused", "ran", "running", "queued", "queued", "queued", "failed", "skipped"];
  const status: number[] = [];
  for (let i = 0; i < n; i++) {
    const cell = Math.floor(i / per);
    nodes.push({ name: `${i % 5 === 0 ? "delay" : "step"}_${i}`, cell: `cell ${cell + 2}`, cellId: `c${cell}`, section: titles[cell % titles.length], module: `part ${Math.floor(cell / 12)}`, expected: 0.5 + random() * 5 });
    status.push(STATUS.indexOf(i < n * 0.6 ? kinds[i % 2] : i < n * 0.62 ? kinds[4] : kinds[5 + (i % 3)]));
    for (let k = 0; i && k < 1 + (random() < 0.3 ? 1 : 0); k++) edges.push([Math.max(0, i - 1 - Math.floor(random() * Math.min(per, 12) * 2.5)), i]);
  }
  if (n > 40) status[Math.floor(n * 0.4)] = STATUS.indexOf("failed");
  if (children) {
    nodes.push({ name: "many", mapped: true, expected: 60, cell: "cell 1" });
    status.push(2);
    if (n) edges.push([0, n]);
    for (let k = 0; k < children; k++) {
      nodes.push({ name: `many["${k}"]`, label: String(k), parent: n });
      status.push(k === 77 ? 6 : k < children * 0.7 ? 3 : k < children * 0.7 + 4 ? 2 : 1);
    }
  }
  const total = nodes.length;
  return {
    saved: { seq: 0, doc: { nodes, edges, run: { state: "running", number: 7, workers: 4, elapsed: 112 }, lanes: ["main thread", "worker 1", "worker 2", "worker 3"] }, changed: nodes.map((_, i) => i) },
    status: Uint8Array.from(status), times: new Float32Array(3 * total).map((_, j) => (j % 3 === 2 ? (j / 3) % 4 | 0 : status[(j / 3) | 0] > 4 || status[(j / 3) | 0] < 2 ? NaN : j % 3 === 0 ? ((j / 3) | 0) * 0.01 : ((j / 3) | 0) * 0.01 + 0.4)),
  };
}

/** 160 nodes in 22 cells, as a long notebook has them. */
function cells(): State {
  const titles = ["Load", "Holidays", "Weather", "Airports", "Clean flights", "Clean weather", "Geo", "Joins", "Calendar", "Delay features", "Route features", "Carriers", "Seasonality", "Baselines", "Delay models", "Cancellations", "Calibration", "Scores", "Delay figures", "Maps", "Tables", "Report"];
  const counts = [14, 3, 6, 4, 9, 7, 5, 8, 6, 14, 11, 7, 6, 5, 12, 8, 5, 9, 10, 6, 4, 1];
  const links = [[0, 4], [2, 5], [3, 6], [1, 8], [4, 7], [5, 7], [6, 7], [7, 9], [8, 9], [7, 10], [7, 11], [4, 12], [9, 13], [9, 14], [10, 14], [11, 15], [12, 13], [13, 16], [14, 16], [14, 17], [15, 17], [16, 21], [17, 21], [9, 18], [14, 18], [10, 19], [15, 20], [18, 21], [19, 21], [20, 21]];
  const found: { [group: number]: [string, Status, number][] } = {
    4: [["dep_delay", "ran", 0.2], ["arr_delay", "ran", 0.3]], 9: [["delay_by_hour", "ran", 1.1], ["delay_by_route", "ran", 2.4], ["delay_lagged", "failed", 0.1], ["delay_wind", "reused", 0]],
    14: [["delay_gbm", "running", 18.2], ["delay_quantile", "queued", 9]], 18: [["delay_map", "queued", 2], ["delay_lag_plot", "skipped", 0], ["delay_hist", "queued", 1]],
  };
  const nodes: NodeInfo[] = [], status: Status[] = [], first: number[] = [];
  titles.forEach((section, g) => {
    first.push(nodes.length);
    for (let k = 0; k < counts[g]; k++) {
      const own = found[g]?.[k];
      nodes.push({ name: own?.[0] ?? `n${g}_${k}`, section, cell: `cell ${g + 2}`, cellId: `c${g}`, expected: own?.[2] || 2 });
      status.push(own?.[1] ?? (g === 14 ? (k < 5 ? "ran" : "queued") : g > 12 ? "queued" : g % 3 === 0 || g === 4 || g === 7 ? (k % 2 ? "reused" : "ran") : "reused"));
    }
  });
  const times = new Float32Array(3 * nodes.length).fill(NaN);
  status.forEach((s, i) => ["ran", "failed", "running"].includes(s) && times.set([s === "running" ? 112 - 18.2 : 0, s === "running" ? NaN : nodes[i].expected!, 0], 3 * i));
  return {
    saved: { seq: 0, doc: { nodes, edges: links.map(([a, b]) => [first[a], first[b]] as [number, number]), run: { state: "running", number: 41, workers: 2, elapsed: 112 }, lanes: ["main thread", "worker 1"] }, changed: status.flatMap((s, i) => (s === "ran" ? [i] : [])) },
    status: Uint8Array.from(status.map((s) => STATUS.indexOf(s))), times,
  };
}

const EVIL = ['<img src=x onerror="window.hacked=1">', "abc\u202egnp.exe", "esc\u001b[31mred\u0000", "</style><script>window.hacked=1</script>", "a".repeat(300), "\u05e9\u05dc\u05d5\u05dd_data", "日本語_データ"];
function hostile(): State {
  const s = make({ state: "failed", number: 1, workers: 1, elapsed: 3 }, { flights: { status: "failed", info: { note: EVIL[0], meta: EVIL[1], cell: EVIL[2], section: EVIL[3] } } });
  EVIL.forEach((name, k) => (s.saved.doc.nodes[k].name = name));
  s.saved.doc.lanes[0] = EVIL[0];
  const detail: Detail = { ...MODEL, node: EVIL[0], why: EVIL[3], error: EVIL[0] + EVIL[1], printed: EVIL.join("\n"), sub: EVIL[2], next: EVIL[0], skipped: EVIL.map((node) => ({ node, why: node })) };
  return { ...s, details: { [EVIL[0]]: detail }, select: EVIL[0], line: { nodes: EVIL.map((name) => ({ name, status: "stale" })), more: EVIL[0], error: "" } };
}

const blank = { error: "", skipped: [], parts: [], moreParts: 0, steps: [], codeHead: "", code: [], frames: [], hidden: "", printed: "", values: [], usedBy: [], history: [], last: "", next: "" };
const same = (name: string, now: string, word = "same") => ({ name, kind: "", now, word, changed: false });

const CLEAN: Detail = {
  ...blank, node: "clean", status: "ran", sub: "cell 3, ran 14:02:11 in 1.9 s", head: "Why it ran", why: "Its code changed (2 lines, cell 3). Its value changed too, so joined ran.",
  parts: [{ name: "code", kind: "code", old: "7b1e", now: "c04f", word: "changed", changed: true }, same("flights", "51aa"), same("LATE", "0f3c"), same("options, seed", "e210"), same("pandas 2.3.1", "d7c4"), same("python 3.11", "3b11")],
  moreParts: 3, codeHead: "Code, against run 40",
  code: [
    { n: 2, sign: "", text: "def clean(flights):" }, { n: 3, sign: "", text: '    df = flights.dropna(subset=["arr_delay"])' }, { n: null, sign: "-", text: '    df["late"] = df["arr_delay"] > 15' },
    { n: 4, sign: "+", text: '    df["late"] = df["arr_delay"].gt(15)' }, { n: 5, sign: "+", text: '    df["gain"] = df["dep_delay"] - df["arr_delay"]' },
    { n: 6, sign: "", text: '    print(f"{len(df):,} of {len(flights):,} rows")' }, { n: 7, sign: "", text: "    return df" },
  ],
  printed: "327,346 of 336,776 rows",
  values: [{ name: "flights", type: "DataFrame", shape: "336,776 × 19", size: "51.2 MB", word: "same" }, { name: "clean", type: "DataFrame", shape: "327,346 × 20", size: "52.4 MB", word: "changed", strong: true }],
  usedBy: ["joined"], history: [2.6, 2.5, 2.7, 2.4, 2.5, 2.6, 2.4, 3.4, 2.5, 2.4, 1.7, 1.8, 1.7, 1.8, 1.9, 1.7, 1.8, 1.7, 2.2, 1.8, 1.7, 1.8, 1.8, 1.9],
};
const FEATURES: Detail = {
  ...blank, node: "features", status: "cutoff", sub: "cell 6, did not run; last ran in run 38", head: "Why it did not run",
  why: "Its key is unchanged: its only changed input, joined, ran again and gave the same value.",
  steps: [{ node: "clean", status: "ran", what: "code changed, 2 lines", word: "value changed" }, { node: "joined", status: "ran", what: "input clean changed", word: "same value" }, { node: "features", status: "cutoff", what: "nothing changed", word: "did not run" }],
  parts: [same("code", "c3d8"), same("helper _lags in cell 6", "9ab0"), same("joined", "6f20", "ran again, same"), same("options, seed", "e210"), same("pandas 2.3.1", "d7c4")], moreParts: 2,
  values: [{ name: "joined", type: "DataFrame", shape: "327,346 × 31", size: "77.9 MB", word: "same" }, { name: "features", type: "DataFrame", shape: "327,346 × 42", size: "94.3 MB", word: "kept", strong: true }],
  usedBy: ["model"], history: [9.2, 8.9, 8.7, 9.0, 10.2, 9.0, 8.8, 9.0, 9.1],
};
const MODEL: Detail = {
  ...blank, node: "model", status: "failed", sub: "cell 7, failed after 0.3 s", head: "What happened", error: "KeyError: 'arr_delay'", why: "The 7 nodes that do not need it finished.",
  skipped: [{ node: "score", why: "its input model failed" }, { node: "report", why: "needs score, which was skipped" }],
  frames: [
    { title: "cell 7, line 21, in model", lines: [{ n: 20, sign: "", text: "    est = HistGradientBoostingRegressor()" }, { n: 21, sign: "x", text: '    X, y = _split(features, "arr_delay")' }, { n: 22, sign: "", text: "    return est.fit(X, y)" }] },
    { title: "cell 6, line 9, in _split", lines: [{ n: 9, sign: "x", text: "    return df.drop(columns=y), df[y]" }] },
  ],
  hidden: "3 frames in pandas hidden", values: [{ name: "features", type: "DataFrame", shape: "327,346 × 42", size: "94.3 MB", word: "new" }], last: "run 42, 24.3 s, value 77d0", next: "%dag debug model",
};
const CARRIER: Detail = {
  ...blank, node: "by_carrier", status: "running", sub: "", head: "", why: "", error: "ZeroDivisionError: division by zero", codeHead: 'by_carrier["HA"], cell 5, line 14',
  code: [{ n: 13, sign: "", text: '    late = df["late"].sum()' }, { n: 14, sign: "x", text: '    rate = late / df["wet"].sum()' }, { n: 15, sign: "", text: '    return {"late": late, "rate": rate}' }],
};

export const STATES: { [name: string]: () => State } = {
  idle, stale, running, cutoff, failed: () => ({ ...failed(), select: "model" }), hostile,
  unfolded: () => ({ ...running(), select: "by_carrier", unfold: "by_carrier", details: { by_carrier: CARRIER } }),
  why: () => ({ ...cutoff(), select: "clean" }), whynot: () => ({ ...cutoff(), select: "features" }),
  timeline: () => ({ ...timeline(), view: "timeline", hover: 'by_carrier["DL"]' }), narrow: running, gone: () => ({ ...running(), gone: true }),
  large: () => ({ ...cells(), filter: "delay" }), n300: () => large(300, 1e9), n300cells: () => large(300), n10000: () => large(10000, 30), children: () => ({ ...large(3, 7, 2000), unfold: "many" }),
  children5000: () => ({ ...large(3, 7, 5000), unfold: "many" }), empty: () => ({ ...idle(), saved: { ...idle().saved, doc: { ...idle().saved.doc, nodes: [], edges: [] } }, line: undefined }),
};
