// The contract between kernel and page. The Python side is src/dagbook/notebook/view.py; a test holds both equal.

/** One byte a node. The order is part of the protocol: never change a number, only add. */
export const STATUS = [
  "never", "queued", "running", "ran", "reused", "cutoff", "failed", "timeout", "skipped", "cancelled", "paused",
  "stale", "maybe",
] as const;
export type Status = (typeof STATUS)[number];

/** A cell, as the user knows it: "cell 3" is `label`, the title is the nearest heading above it. */
export interface NodeInfo {
  name: string;
  /** The label of a child of a mapped node ("AA"); absent for other nodes. */
  label?: string;
  /** Index of the mapped node that this is a child of. */
  parent?: number;
  /** "cell 3" */
  cell?: string;
  cellId?: string;
  /** True when the node is mapped (each=): a folded card with children. */
  mapped?: boolean;
  /** What a mapped node is mapped over: "carriers". */
  over?: string;
  /** Median of past durations in seconds; absent when it never ran. */
  expected?: number;
  /** Shape or type for the card's second line: "327k × 20", "figure". The kernel formats it. */
  meta?: string;
  /** The long form for details: "327,346 × 20". */
  shape?: string;
  type?: string;
  size?: string;
  /** Why a node was skipped ("model failed"), the error's class ("KeyError"), or what made it stale ("code, 2 lines"). */
  note?: string;
  /** The nearest heading above its cell: the title of a group when more than 150 cards are folded. */
  section?: string;
  /** The module or prefix to group by when there are more than 150 cells. */
  module?: string;
  /** True when dagbook cannot see into the value's key (drawn with a dashed border). */
  opaque?: boolean;
}

export interface RunInfo {
  /** idle: no run yet in this kernel. */
  state: "idle" | "running" | "pausing" | "paused" | "cancelling" | "done" | "failed" | "cancelled";
  number: number;
  workers: number;
  /** Seconds since the run began, at the moment of sending; the page goes on counting. */
  elapsed: number;
  /** "14:02:17" when ended. */
  finished?: string;
  /** What was asked for: names of the targets, empty for all. */
  targets?: string[];
}

/** The whole picture. Node indexes are places in `nodes`. Sent as JSON; `status` and `times` travel as buffers. */
export interface Snapshot {
  nodes: NodeInfo[];
  /** Pairs [from, to] of node indexes; children of mapped nodes have none. */
  edges: [number, number][];
  run: RunInfo;
  /** Names of the lanes of the timeline, in order: "main thread", "worker 1" … */
  lanes: string[];
}

/**
 * Kernel → page, custom messages.
 * snap: buffers = [status Uint8Array(n), times Float32Array(3n)]. The times of node i are at 3i: start, end (seconds
 *   since the run began; NaN: not known), lane. Replaces everything; events go on at `seq`.
 * ev:   buffers = [Uint32Array(2k)]: (node index | status << 24), time in ticks of 10 µs since the run began.
 *   `seq` is the number of the first event, so the next message must have seq + k. A gap asks for a snapshot.
 *   A status of "running" starts the node's bar on lane `lanes[...]` (rec "lane"), any later one ends it.
 *   `rec` are JSON records; record r is to be applied before the event number r.at of this message.
 *   An event of node 0xffffff means nothing: it gives a message that has only records a number of its own.
 */
export type Record =
  | { k: "expand"; at: number; parent: number; first: number; labels: string[] }
  | { k: "info"; at: number; i: number; info: Partial<NodeInfo> }
  | { k: "lane"; at: number; i: number; lane: number }
  | { k: "changed"; at: number; i: number; changed: boolean }   // a node that ran: did its value change?
  | { k: "run"; at: number; run: RunInfo };

export type FromKernel =
  | { t: "snap"; seq: number; doc: Snapshot; changed: number[] }   // changed: nodes that ran and whose value changed
  | { t: "ev"; seq: number; n: number; rec?: Record[] }
  | { t: "detail"; detail: Detail; more?: Detail[] }   // more: further details, pushed as nodes settle, in one message
  | { t: "ack"; of: string };

/** Page → kernel: a closed table; anything else is ignored and counted. */
export type ToKernel =
  | { t: "hello" }
  | { t: "resync"; seq: number }
  | { t: "cancel" } | { t: "pause" } | { t: "resume" }
  | { t: "select"; node: string }               // asks for a detail
  | { t: "run"; targets: string[]; force: boolean };

export interface KeyPart { name: string; kind: string; old?: string; now: string; word: string; changed: boolean }
export interface CodeLine { n: number | null; sign: "" | "+" | "-" | "x"; text: string }
export interface Frame { title: string; lines: CodeLine[] }
export interface ValueRow { name: string; type: string; shape: string; size: string; word: string; strong?: boolean }
export interface StepRow { node: string; status: Status; what: string; word: string }

/** What the details show of one node. Empty lists and strings: the section is left out. Built by the kernel. */
export interface Detail {
  node: string;
  status: Status;
  /** "cell 3, ran 14:02:11 in 1.9 s" */
  sub: string;
  /** "Why it ran" / "Why it did not run" / "What happened" / "Failed and running" */
  head: string;
  /** One or two true sentences. */
  why: string;
  /** "KeyError: 'arr_delay'" */
  error: string;
  skipped: { node: string; why: string }[];
  parts: KeyPart[];
  moreParts: number;
  /** "How far the change went", from the edit to here. */
  steps: StepRow[];
  codeHead: string;
  code: CodeLine[];
  frames: Frame[];
  hidden: string;
  printed: string;
  values: ValueRow[];
  usedBy: string[];
  /** Past durations in seconds, oldest first. */
  history: number[];
  /** "run 42, 24.3 s, value 77d0" */
  last: string;
  /** "%dag debug model" */
  next: string;
}

/** The line under a %%dag cell (kind "line"). `nodes` in order, an arrow between; `more` is said after them. */
export interface Line {
  /** `what` is said beside the name: "ran: code changed, 2 lines". With a `what` on any node, dots stand for arrows. */
  nodes: { name: string; status: Status; what?: string }[];
  more: string;
  error: string;
}

/** What the trait `snapshot` holds: the content of a `snap` message. */
export interface Saved { seq: number; doc: Snapshot; changed: number[] }

/** Widget traits. `kind` is "graph" or "line" (the line under a %%dag cell). A graph has `snapshot` (Saved, as an object
 *  or as its JSON text), `status` and `times` (bytes, as in `snap`): the latest state, for late views and for saved
 *  notebooks without a kernel. A line has `line` (Line). */
