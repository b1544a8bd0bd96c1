// The glyph of each status as data: strokes and fills in a box of 12 by 12. Drawn alike on canvas, in SVG and in the DOM.

import type { Status } from "./protocol";

export type Ink = "t1" | "t3" | "run" | "fail" | "stale" | "track" | "card";
export interface Stroke { d: string; ink: Ink; width?: number; fill?: boolean; dash?: number[]; cap?: "butt" | "round"; spin?: boolean }

const RING = "M6 1.5A4.5 4.5 0 1 1 6 10.5A4.5 4.5 0 1 1 6 1.5Z";
const DISC = "M6 .75A5.25 5.25 0 1 1 6 11.25A5.25 5.25 0 1 1 6 .75Z";
const SQUARE =
  "M2.25 .75H9.75A1.5 1.5 0 0 1 11.25 2.25V9.75A1.5 1.5 0 0 1 9.75 11.25H2.25A1.5 1.5 0 0 1 .75 9.75V2.25A1.5 1.5 0 0 1 2.25 .75Z";
const TICK = "M3.5 6.2 5.3 8 8.6 4.3";

export const WORD: { [S in Status]: string } = {
  never: "never run", queued: "queued", running: "running", ran: "ran", reused: "reused", cutoff: "cut off",
  failed: "failed", timeout: "timed out", skipped: "skipped", cancelled: "cancelled", paused: "paused",
  stale: "stale", maybe: "maybe stale",
};

/** Names of these are quiet and their cards hollow: nothing happened, so they hold no value of this key. */
export const QUIET: ReadonlySet<Status> = new Set(["never", "queued", "skipped", "cancelled", "maybe"]);
export const BAD: ReadonlySet<Status> = new Set(["failed", "timeout"]);

const ring = (ink: Ink): Stroke => ({ d: RING, ink });

const DRAWN: { [S in Exclude<Status, "running">]: Stroke[] } = {
  never: [{ d: RING, ink: "t3", width: 1.6, dash: [0.1, 2.727] }],
  queued: [ring("t3"), { d: "M6 4.75A1.25 1.25 0 1 1 6 7.25A1.25 1.25 0 1 1 6 4.75Z", ink: "t3", fill: true }],
  ran: [{ d: DISC, ink: "run", fill: true }, { d: TICK, ink: "card", width: 1.5 }],
  reused: [ring("t3"), { d: TICK, ink: "t3" }],
  cutoff: [ring("t1"), { d: "M4 4.9H8M4 7.1H8", ink: "t1" }],
  failed: [{ d: SQUARE, ink: "fail", fill: true }, { d: "M4 4 8 8M8 4 4 8", ink: "card", width: 1.5 }],
  timeout: [{ d: SQUARE, ink: "fail", fill: true }, { d: "M6 3.2V6.2L8 7.6", ink: "card", width: 1.5 }],
  skipped: [ring("t3"), { d: "M3 9 9 3", ink: "t3" }],
  cancelled: [ring("t3"), { d: "M4.25 4.25H7.75V7.75H4.25Z", ink: "t3", fill: true }],
  paused: [ring("t1"), { d: "M4.75 4.3V7.7M7.25 4.3V7.7", ink: "t1", width: 1.5 }],
  stale: [ring("stale"), { d: "M6 1.5A4.5 4.5 0 0 0 6 10.5Z", ink: "stale", fill: true }],
  maybe: [ring("stale"), { d: "M4.6 4.9A1.4 1.4 0 1 1 6.5 6C6.1 6.2 6 6.4 6 6.8M6 8.4V8.45", ink: "stale", width: 1.1 }],
};

/** From 12 o'clock, clockwise, a share of the ring; never quite nothing, never quite closed. */
export function arc(share: number): string {
  const p = Math.min(0.999, Math.max(0.06, share));
  const a = 2 * Math.PI * p;
  return `M6 1.5A4.5 4.5 0 ${p > 0.5 ? 1 : 0} 1 ${(6 + 4.5 * Math.sin(a)).toFixed(2)} ${(6 - 4.5 * Math.cos(a)).toFixed(2)}`;
}

/** `share` is how much of the expected time has passed; undefined: not known, an arc that turns. */
export function glyph(status: Status, share?: number): Stroke[] {
  if (status !== "running") return DRAWN[status];
  const known = share !== undefined;
  const step = known ? Math.round(share * 48) / 48 : 0.7;
  return [
    { d: RING, ink: "track", width: 2.25 },
    { d: arc(step), ink: "run", width: 2.25, cap: "butt", spin: !known },
  ];
}

/** Icons of the toolbar: 16 by 16. */
export const ICON = {
  play: "M5 3.5 12 8 5 12.5Z", pause: "M5.5 4V12M10.5 4V12", stop: "M4.5 4.5H11.5V11.5H4.5Z",
  find: "M7 2.75A4.25 4.25 0 1 1 7 11.25A4.25 4.25 0 1 1 7 2.75ZM10.2 10.2 13.5 13.5",
  fit: "M2.5 5.5V2.5H5.5M10.5 2.5H13.5V5.5M13.5 10.5V13.5H10.5M5.5 13.5H2.5V10.5",
  more: "M3.5 8H3.6M8 8H8.1M12.5 8H12.6", close: "M4 4 12 12M12 4 4 12",
  graph: "M2.5 6H6V10H2.5ZM10 2.5H13.5V6.5H10ZM10 9.5H13.5V13.5H10ZM6 8C8 8 8 4.5 10 4.5M6 8C8 8 8 11.5 10 11.5",
  list: "M2.5 4H3M5.5 4H13.5M2.5 8H3M5.5 8H13.5M2.5 12H3M5.5 12H13.5",
  timeline: "M2.5 4H8M5 8H11M8.5 12H13.5",
  check: "M3.5 8.2 6.6 11.2 12.5 4.8",
};
export type Icon = keyof typeof ICON;
export const SOLID: ReadonlySet<Icon> = new Set<Icon>(["play", "stop"]);
