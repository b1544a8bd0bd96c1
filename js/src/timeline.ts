// The timeline of a run: a lane a worker, the critical path, how many were busy, and what would shorten the run.

import { BAD } from "./glyphs";
import type { GraphModel } from "./model";
import type { Pen, Ruler } from "./pen";
import type { Rect } from "./scene";
import { duration, plain } from "./text";
import type { Tokens } from "./tokens";
import type { Said } from "./facts";

export interface Bar { node: number; lane: number; from: number; to: number; critical: boolean; failed: boolean; count: number }

/** All that took time in the run, by lane and start. A mapped node with children is shown by them. */
export function barsOf(m: GraphModel): Bar[] {
  const critical = new Set(criticalPath(m));
  const bars: Bar[] = [];
  const now = m.elapsed();
  for (let i = 0; i < m.n; i++) {
    if (Number.isNaN(m.start[i]) || m.kids.has(i)) continue;
    const to = Number.isNaN(m.end[i]) ? now : m.end[i];
    bars.push({ node: i, lane: Math.max(0, m.lane[i]), from: m.start[i], to, critical: critical.has(i), failed: BAD.has(m.of(i)), count: 1 });
  }
  return bars.sort((a, b) => a.lane - b.lane || a.from - b.from);
}

/** From the node that ended last back to the start: each time the input that came last. */
export function criticalPath(m: GraphModel): number[] {
  const end = (i: number) => lastOf(m, i)?.end ?? NaN;
  let at = -1;
  for (const i of m.tops) if (end(i) >= 0 && (at < 0 || end(i) > end(at))) at = i;
  const path: number[] = [];
  while (at >= 0 && path.length <= m.n) {
    path.push(lastOf(m, at)!.node);
    const before = m.inputs[at].filter((k) => end(k) >= 0);
    at = before.length ? before.reduce((last, k) => (end(k) > end(last) ? k : last)) : -1;
  }
  return path.reverse();
}

/** When a node ended, and by which of its children. */
function lastOf(m: GraphModel, i: number): { node: number; end: number } | null {
  let found: { node: number; end: number } | null = null;
  for (const k of m.kids.get(i) ?? [i]) {
    if (Number.isNaN(m.start[k])) continue;
    const end = Number.isNaN(m.end[k]) ? m.elapsed() : m.end[k];
    if (!found || end > found.end) found = { node: k, end };
  }
  return found;
}

/** Bars closer than a pixel become one; the worst of them decides how it looks. */
export function merged(bars: Bar[], perPixel: number): Bar[] {
  const out: Bar[] = [];
  for (const bar of bars) {
    const last = out[out.length - 1];
    if (last && last.lane === bar.lane && bar.to - last.from < 2 * perPixel && bar.from - last.to < perPixel) {
      last.to = Math.max(last.to, bar.to);
      last.critical ||= bar.critical;
      last.failed ||= bar.failed;
      last.count++;
    } else out.push({ ...bar });
  }
  return out;
}

/** How many were busy from each moment on. */
export function busySteps(bars: Bar[]): [number, number][] {
  const changes = bars.flatMap((b): [number, number][] => [[b.from, 1], [b.to, -1]]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const steps: [number, number][] = [];
  let busy = 0;
  for (const [t, d] of changes) {
    busy += d;
    if (steps.length && Math.abs(steps[steps.length - 1][0] - t) < 1e-9) steps[steps.length - 1][1] = busy;
    else steps.push([t, busy]);
  }
  return steps;
}

/** At most a few steps a pixel: the highest count in it, then the last. */
export function thinned(steps: [number, number][], perPixel: number): [number, number][] {
  if (steps.length < 2000) return steps;
  const out: [number, number][] = [];
  for (let k = 0; k < steps.length; ) {
    const until = steps[k][0] + perPixel;
    let high = steps[k][1], last = k;
    for (; last + 1 < steps.length && steps[last + 1][0] < until; last++) high = Math.max(high, steps[last + 1][1]);
    out.push([steps[k][0], high]);
    if (last > k) out.push([steps[last][0], steps[last][1]]);
    k = last + 1;
  }
  return out;
}

const topOf = (m: GraphModel, i: number) => m.nodes[i].parent ?? i;

/** What would shorten the run, in one sentence. */
export function advice(m: GraphModel): Said[] {
  const path = criticalPath(m), total = Math.max(m.elapsed(), ...path.map((i) => m.end[i] || 0));
  if (!path.length || !(total > 0)) return [];
  const parts = path.map((i) => ({ name: m.nodes[i].name, took: m.took(i) })).sort((a, b) => b.took - a.took);
  const shares = parts.slice(0, 4).map((p) => `${p.name} ${Math.round((100 * p.took) / total)} %`).join(", ");
  const path_ = parts.reduce((sum, p) => sum + p.took, 0);
  const waits = total - path_;
  const longest = parts[0].name;
  const verdict = waits > 0.15 * total
    ? `Nodes waited ${duration(waits)} for a free worker; more workers would shorten this run.`
    : `More workers would not shorten this run; a faster ${m.nodes[topOf(m, m.byName.get(longest)!)].name} would.`;
  return [{ text: `Critical path ${duration(path_)}: `, strong: true }, { text: `${shares}. ${verdict}` }];
}

/** Share of the workers' time that was used. */
export function busyShare(m: GraphModel): number {
  const bars = barsOf(m), total = m.elapsed() * Math.max(1, m.run.workers);
  return total ? Math.min(1, bars.filter((b) => m.lanes.length <= 1 || b.lane > 0 || m.run.workers === m.lanes.length).reduce((sum, b) => sum + b.to - b.from, 0) / total) : 0;
}

/** Round steps of an axis: 1, 2, 5, 10, 15, 30, 60 … seconds, about one each 100 px. */
export function axisStep(seconds: number, width: number): number {
  const wanted = (seconds * 160) / Math.max(160, width);
  const round = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600];
  return round.find((step) => step >= wanted) ?? Math.ceil(wanted / 3600) * 3600;
}

const axisText = (t: number) => (t < 60 ? `${Number(t.toFixed(3))} s` : t % 60 ? `${Math.floor(t / 60)}:${String(Math.floor(t % 60)).padStart(2, "0")}` : `${t / 60} min`);

const LANE = 28, BAR = 18, TOP = 12, RIGHT = 24, BUSY = 28, GROW_MS = 200;

export class TimelinePicture {
  private bars: Bar[] = [];
  private steps: [number, number][] = [];
  private tick = -1;
  private drawn = -Infinity;
  private width = 0;
  hoverX = -1;
  constructor(private readonly m: GraphModel, private readonly look: () => { colors: Tokens; ruler: Ruler; hover: number; cursor: number; matched: ((i: number) => boolean) | null }) {}

  private refresh(): void {
    const now = performance.now();
    const growing = this.m.live && now - this.drawn > GROW_MS;
    if (this.tick === this.m.tick && !growing) return;
    this.tick = this.m.tick;
    this.drawn = now;
    this.bars = barsOf(this.m);
    this.steps = busySteps(this.bars);
  }

  get empty(): boolean {
    this.refresh();
    return !this.bars.length;
  }

  private lanes(): string[] {
    const used = this.bars.reduce((most, b) => Math.max(most, b.lane + 1), 1);
    return Array.from({ length: Math.max(used, this.m.lanes.length) }, (_, k) => this.m.lanes[k] ?? `worker ${k}`);
  }

  private frame(): { left: number; span: number; end: number; bottom: number; lanes: string[] } {
    const lanes = this.lanes();
    const { ruler } = this.look();
    const left = Math.ceil(Math.max(64, ...lanes.map((l) => Math.min(140, ruler.measure(plain(l), 11)))) + 28);
    const end = Math.max(this.m.live ? this.m.elapsed() : 0, ...this.bars.map((b) => b.to), 0.001);
    return { left, span: Math.max(40, this.width - left - RIGHT), end, bottom: TOP + lanes.length * LANE, lanes };
  }

  size(width: number): { w: number; h: number } {
    this.refresh();
    this.width = width;
    return { w: width, h: TOP + this.lanes().length * LANE + 28 + BUSY + 16 };
  }

  at(x: number, y: number): Bar | null {
    const { left, span, end } = this.frame();
    const lane = Math.floor((y - TOP) / LANE), t = ((x - left) / span) * end, slack = (2 / span) * end;
    const near = this.bars.filter((b) => b.lane === lane && t >= b.from - slack && t <= b.to + slack);
    return near.sort((a, b) => Math.abs((a.from + a.to) / 2 - t) - Math.abs((b.from + b.to) / 2 - t))[0] ?? null;
  }

  barRect(node: number): Rect | null {
    const bar = this.bars.find((b) => b.node === node);
    if (!bar) return null;
    const { left, span, end } = this.frame();
    return { x: left + (span * bar.from) / end, y: TOP + bar.lane * LANE + 1, w: (span * (bar.to - bar.from)) / end, h: BAR };
  }

  /** Does a place hold bars, their lane names, or the axis? */
  covers(r: Rect): boolean {
    const { left, span, end, bottom } = this.frame();
    if (r.x < left || r.y + r.h > bottom) return true;
    return this.bars.some((b) => {
      const y = TOP + b.lane * LANE;
      return left + (span * b.from) / end < r.x + r.w && left + (span * b.to) / end + 8 > r.x && y < r.y + r.h && y + BAR + 4 > r.y;
    });
  }

  tip(bar: Bar): string[] {
    const { m } = this, i = bar.node;
    const top = topOf(m, i);
    const ready = Math.max(0, ...m.inputs[top].map((k) => lastOf(m, k)?.end ?? 0));
    const waited = bar.from - ready;
    const lines = [m.nodes[i].name, `${duration(bar.from)} to ${duration(bar.to)}, took ${duration(bar.to - bar.from)}`];
    if (waited > 0.05 && m.inputs[top].length) lines.push(`waited ${duration(waited)} for a worker`);
    return lines;
  }

  draw(pen: Pen): void {
    this.refresh();
    const look = this.look(), { colors: c, ruler } = look, f = this.frame();
    const x = (t: number) => f.left + (f.span * t) / f.end;
    this.drawAxis(pen, f, x);
    const cursorAt = this.hoverX >= f.left && this.hoverX <= f.left + f.span ? this.hoverX : -1;
    if (cursorAt >= 0) pen.path(`M${cursorAt} ${TOP - 8}V${f.bottom + 28 + BUSY}`, { stroke: c.t1, dash: [1, 2] });
    const shown = merged(this.bars, f.end / f.span);
    this.drawJoins(pen, x);
    shown.forEach((bar, k) => this.drawBar(pen, bar, x, shown[k + 1]?.lane === bar.lane ? x(shown[k + 1].from) : f.left + f.span, shown[k - 1]?.lane === bar.lane ? x(shown[k - 1].to) : f.left));
    this.drawBusy(pen, f, x);
    if (cursorAt >= 0) {
      const t = ((cursorAt - f.left) / f.span) * f.end;
      const busy = this.bars.filter((b) => b.from <= t && b.to > t).length;
      const text = `${duration(t)}, ${busy} busy`, wide = ruler.measure(text, 11, 500) + 10;
      const at = Math.min(cursorAt, f.left + f.span - wide);
      pen.rect(at - 2, f.bottom + 2, wide, 16, { fill: c.bg });
      pen.text(at + 5, f.bottom + 14, text, { size: 11, weight: 500, ink: c.t1 });
    }
  }

  private drawAxis(pen: Pen, f: ReturnType<TimelinePicture["frame"]>, x: (t: number) => number): void {
    const { colors: c } = this.look();
    const step = axisStep(f.end, f.span);
    for (let k = 0; k * step <= f.end * 1.0001; k++) {
      const at = Math.round(x(k * step)) + 0.5;
      pen.path(`M${at} ${TOP - 4}V${f.bottom}`, { stroke: c.track });
      if (x((k + 0.5) * step) < f.left + f.span) pen.path(`M${Math.round(x((k + 0.5) * step)) + 0.5} ${TOP - 4}V${f.bottom}`, { stroke: c.wash });
      pen.text(x(k * step), f.bottom + 14, k ? axisText(k * step) : "0", { size: 11, ink: c.t3, align: k ? "center" : "left" });
    }
    f.lanes.forEach((name, l) => {
      pen.text(f.left - 12, TOP + l * LANE + 15, name, { size: 11, ink: c.t2, align: "right" });
      pen.path(`M${f.left} ${TOP + l * LANE + LANE - 4.5}H${f.left + f.span}`, { stroke: c.wash });
    });
  }

  /** The critical path is one line, also from lane to lane. */
  private drawJoins(pen: Pen, x: (t: number) => number): void {
    const { colors: c } = this.look();
    const path = this.bars.filter((b) => b.critical).sort((a, b) => a.from - b.from);
    for (let k = 1; k < path.length; k++) {
      const [a, b] = [path[k - 1], path[k]];
      if (a.lane === b.lane) continue;
      const at = x(a.to);
      pen.path(`M${at} ${TOP + a.lane * LANE + 10}V${TOP + b.lane * LANE + 10}H${Math.max(at, x(b.from))}`, { stroke: c.run, width: 1.75 });
    }
  }

  private drawBar(pen: Pen, bar: Bar, x: (t: number) => number, next: number, before: number): void {
    const { m } = this, { colors: c, ruler, hover, cursor, matched } = this.look();
    const left = x(bar.from), wide = Math.max(1, x(bar.to) - left - 1), top = TOP + bar.lane * LANE + 1;
    const node = m.nodes[bar.node], strong = bar.critical || bar.failed;
    const dim = bar.count === 1 && matched !== null && !matched(topOf(m, bar.node));
    pen.rect(left, top, wide, BAR, { fill: dim ? c.wash : bar.failed ? c.fail : bar.critical ? c.run : c.track });
    if (!strong) pen.rect(left, top + BAR - 1.5, wide, 1.5, { fill: c.edge });
    if (bar.count === 1 && (bar.node === hover || bar.node === cursor)) {
      pen.rect(left, top, wide, BAR, { stroke: bar.node === hover ? c.ink0 : c.run, width: bar.node === hover ? 1.5 : 2 });
    }
    if (bar.count > 1) return;
    const weight = strong ? 500 : 400, measure = (t: string) => ruler.measure(plain(t), 11, weight);
    const label = measure(node.name) + 10 < wide ? node.name : node.label ?? node.name;
    if (measure(label) + 9 < wide) pen.text(left + 5, top + 13, label, { size: 11, weight, ink: strong && !dim ? c.bg : c.t1 });
    else if (node.parent === undefined && left + wide + 10 + measure(label) < next) pen.text(left + wide + 6, top + 13, label, { size: 11, ink: c.t2 });
    else if (node.parent === undefined && left - 10 - measure(label) > before) pen.text(left - 5, top + 13, label, { size: 11, ink: c.t2, align: "right" });
  }

  private drawBusy(pen: Pen, f: ReturnType<TimelinePicture["frame"]>, x: (t: number) => number): void {
    const { colors: c } = this.look();
    const base = f.bottom + 28 + BUSY, most = this.steps.reduce((peak, [, busy]) => Math.max(peak, busy), f.lanes.length);
    let d = `M${f.left} ${base}`;
    for (const [t, busy] of thinned(this.steps, f.end / f.span)) d += `H${x(t).toFixed(1)}V${(base - (BUSY * busy) / most).toFixed(1)}`;
    pen.path(`${d}V${base}Z`, { fill: c.track });
    pen.path(`M${f.left} ${base + 0.5}H${f.left + f.span}`, { stroke: c.edge });
    pen.text(f.left - 12, base - 2, "0", { size: 11, ink: c.t3, align: "right" });
    pen.text(f.left - 12, base - BUSY + 8, `${most} busy`, { size: 11, ink: c.t3, align: "right" });
  }
}
