// The state of the graph as the kernel tells it: a snapshot, then numbered changes. No DOM, no drawing.

import { STATUS, type FromKernel, type NodeInfo, type Record as Change, type RunInfo, type Saved, type Status } from "./protocol";

const RUNNING = STATUS.indexOf("running");
export const TICK = 1e-5;
const IDLE: RunInfo = { state: "idle", number: 0, workers: 1, elapsed: 0 };

export interface Family { n: number; done: number; reused: number; ran: number; running: number; failed: number; settled: number }

/** Bytes as they come from the comm (DataView), from a test (typed array) or from a saved page. */
export type Bytes = DataView | ArrayBuffer | ArrayBufferView | null | undefined;

export function bytes(data: Bytes): Uint8Array {
  if (!data) return new Uint8Array(0);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** A copy, because a view into a message need not be aligned. */
function aligned(data: Bytes): ArrayBuffer {
  return bytes(data).slice().buffer as ArrayBuffer;
}

export class GraphModel {
  seq = 0;
  nodes: NodeInfo[] = [];
  edges: [number, number][] = [];
  lanes: string[] = [];
  run: RunInfo = IDLE;
  status = new Uint8Array(0);
  /** Start and end of each node in seconds since the run began, NaN where not known; and its lane, -1 for none. */
  start = new Float64Array(0);
  end = new Float64Array(0);
  lane = new Int16Array(0);
  /** A node that ran: 0 not told yet, 1 its value changed, 2 its value is the same. */
  verdict = new Uint8Array(0);
  /** Nodes that the user wrote, in the kernel's order; children of mapped nodes are in `kids`. */
  tops: number[] = [];
  order: number[] = [];
  kids = new Map<number, number[]>();
  inputs: number[][] = [];
  outputs: number[][] = [];
  byName = new Map<string, number>();
  /** Counts up with any change, and with a change of nodes or edges. */
  tick = 0;
  shape = 0;
  /** No kernel: what was running is interrupted, what was queued did not run. */
  gone = false;
  private received = 0;
  private families = new Map<number, Family>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  get n(): number {
    return this.nodes.length;
  }

  /** Replaces everything. */
  restore(saved: Saved, status: Bytes, times: Bytes): void {
    const { nodes, edges, run, lanes } = saved.doc;
    this.nodes = nodes.slice();
    this.edges = proper(edges, nodes.length);
    this.lanes = lanes.slice();
    this.seq = saved.seq;
    this.resize(nodes.length);
    this.status.fill(0).set(bytes(status).subarray(0, this.n));
    const t = new Float32Array(aligned(times), 0, Math.min(3 * this.n, bytes(times).length >> 2));
    for (let i = 0; i < this.n; i++) {
      this.start[i] = t[3 * i] ?? NaN;
      this.end[i] = t[3 * i + 1] ?? NaN;
      this.lane[i] = Number.isFinite(t[3 * i + 2]) ? t[3 * i + 2] : -1;
      this.verdict[i] = STATUS[this.status[i]] === "ran" ? 2 : 0;
    }
    for (const i of saved.changed) this.verdict[i] = 1;
    this.setRun(run);
    this.index();
    this.touched();
  }

  /** Applies one message of changes. False: a message is missing, so nothing was applied and a snapshot is needed. */
  apply(message: Extract<FromKernel, { t: "ev" }>, buffer: Bytes): boolean {
    if (message.seq !== this.seq) return message.seq + message.n <= this.seq;
    const events = new Uint32Array(aligned(buffer));
    const records = message.rec ?? [];
    let r = 0;
    for (let k = 0; k < message.n; k++) {
      while (r < records.length && records[r].at <= k) this.record(records[r++]);
      this.event(events[2 * k] & 0xffffff, events[2 * k] >>> 24, events[2 * k + 1] * TICK);
    }
    while (r < records.length) this.record(records[r++]);
    this.seq += message.n;
    this.touched();
    return true;
  }

  private event(i: number, code: number, time: number): void {
    if (i >= this.n || code >= STATUS.length) return;
    if (code === RUNNING) {
      this.start[i] = time;
      this.end[i] = NaN;
    } else if (this.status[i] === RUNNING) {
      this.end[i] = time;
    } else if (STATUS[code] === "queued") {
      this.start[i] = this.end[i] = NaN;
      this.verdict[i] = 0;
    }
    this.status[i] = code;
  }

  private record(change: Change): void {
    if (change.k === "expand") this.expand(change.parent, change.first, change.labels);
    else if (change.k === "info") Object.assign(this.nodes[change.i] ?? {}, change.info);
    else if (change.k === "lane") this.lane[change.i] = change.lane;
    else if (change.k === "changed") this.verdict[change.i] = change.changed ? 1 : 2;
    else if (change.k === "run") this.setRun(change.run);
  }

  private expand(parent: number, first: number, labels: string[]): void {
    const owner = this.nodes[parent];
    if (!owner) return;
    this.resize(Math.max(this.n, first + labels.length));
    labels.forEach((label, j) => {
      this.nodes[first + j] = { name: `${owner.name}["${label}"]`, label, parent, cell: owner.cell, cellId: owner.cellId };
    });
    this.index();
  }

  private setRun(run: RunInfo): void {
    if (run.number !== this.run.number && this.run.number && run.state === "running") this.forgetTimes();
    this.run = run;
    this.received = this.now();
  }

  private forgetTimes(): void {
    for (let i = 0; i < this.n; i++) if (this.status[i] !== RUNNING) this.start[i] = this.end[i] = NaN;
  }

  private resize(n: number): void {
    if (n === this.status.length) return;
    const grown = <T extends Uint8Array | Float64Array | Int16Array>(old: T, make: (n: number) => T, fill: number): T => {
      const fresh = make(n).fill(fill) as T;
      fresh.set(old.subarray(0, n) as never);
      return fresh;
    };
    this.status = grown(this.status, (k) => new Uint8Array(k), 0);
    this.start = grown(this.start, (k) => new Float64Array(k), NaN);
    this.end = grown(this.end, (k) => new Float64Array(k), NaN);
    this.lane = grown(this.lane, (k) => new Int16Array(k), -1);
    this.verdict = grown(this.verdict, (k) => new Uint8Array(k), 0);
  }

  private index(): void {
    this.kids = new Map();
    this.tops = [];
    this.inputs = this.nodes.map(() => []);
    this.outputs = this.nodes.map(() => []);
    this.byName = new Map();
    this.nodes.forEach((node, i) => {
      this.byName.set(node.name, i);
      if (node.parent === undefined) this.tops.push(i);
      else if (this.kids.has(node.parent)) this.kids.get(node.parent)!.push(i);
      else this.kids.set(node.parent, [i]);
    });
    for (const [a, b] of this.edges) {
      this.inputs[b].push(a);
      this.outputs[a].push(b);
    }
    this.order = topological(this.tops, this.inputs, this.outputs);
    this.shape++;
  }

  /** Something that the pictures depend on has changed. */
  touched(): void {
    this.tick++;
    this.families.clear();
  }

  get live(): boolean {
    return !this.gone && ["running", "pausing", "paused", "cancelling"].includes(this.run.state);
  }

  /** Seconds since the run began, counted on while it runs. */
  elapsed(): number {
    const ticking = this.live && this.run.state !== "paused";
    return this.run.elapsed + (ticking ? (this.now() - this.received) / 1000 : 0);
  }

  /** The status as shown: without a kernel nothing is running any more. */
  of(i: number): Status {
    const status = STATUS[this.status[i]] ?? "never";
    return this.gone && (status === "running" || status === "queued" || status === "paused") ? "cancelled" : status;
  }

  /** Seconds that the node took, or takes so far; NaN when it did not start in this run. */
  took(i: number): number {
    return (Number.isNaN(this.end[i]) && this.of(i) === "running" ? this.elapsed() : this.end[i]) - this.start[i];
  }

  expected(i: number): number | undefined {
    const { expected, parent } = this.nodes[i];
    if (expected !== undefined || parent === undefined) return expected;
    const whole = this.nodes[parent].expected;
    return whole === undefined ? undefined : whole / (this.kids.get(parent)?.length || 1);
  }

  /** How much of the expected time has passed; undefined when there is no history. */
  share(i: number): number | undefined {
    const family = this.family(i);
    if (family) return family.settled / family.n;
    const expected = this.expected(i);
    return expected ? Math.min(0.97, this.took(i) / expected) : undefined;
  }

  /** How the children of a mapped node stand; undefined when there are none (yet). */
  family(i: number): Family | undefined {
    const kids = this.kids.get(i);
    if (!kids) return undefined;
    let family = this.families.get(i);
    if (!family) {
      family = count(kids.map((k) => this.of(k)));
      this.families.set(i, family);
    }
    return family;
  }
}

/** Each edge once, none from a node to itself or to nowhere. */
function proper(edges: [number, number][], n: number): [number, number][] {
  const seen = new Set<number>();
  return edges.filter(([a, b]) => {
    const key = a * n + b;
    if (a === b || a >= n || b >= n || seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

function count(statuses: Status[]): Family {
  const f: Family = { n: statuses.length, done: 0, reused: 0, ran: 0, running: 0, failed: 0, settled: 0 };
  for (const s of statuses) {
    if (s === "reused" || s === "cutoff") f.reused++;
    else if (s === "ran") f.ran++;
    else if (s === "running") f.running++;
    else if (s === "failed" || s === "timeout") f.failed++;
    else if (s === "stale" || s === "maybe") f.done++;
  }
  f.done += f.reused + f.ran;
  f.settled = f.done + f.failed;
  return f;
}

/** An order in which every node follows its inputs; nodes on a cycle come last. */
export function topological(nodes: number[], inputs: number[][], outputs: number[][]): number[] {
  const missing = new Map(nodes.map((i) => [i, inputs[i].length]));
  const order = nodes.filter((i) => !inputs[i].length);
  for (let at = 0; at < order.length; at++) {
    for (const next of outputs[order[at]]) {
      missing.set(next, missing.get(next)! - 1);
      if (missing.get(next) === 0) order.push(next);
    }
  }
  if (order.length < nodes.length) {
    const placed = new Set(order);
    order.push(...nodes.filter((i) => !placed.has(i)));
  }
  return order;
}
