// The list: one row a node, in an order that keeps related nodes together, with rails for the edges.

import { drawMarked, drawSegments, EDGE } from "./draw";
import { cardText, edgeKind } from "./facts";
import { BAD, QUIET } from "./glyphs";
import type { GraphModel } from "./model";
import { drawGlyph, type Pen, type Ruler } from "./pen";
import type { Rect } from "./scene";
import { elideEnd, elideMiddle, plain } from "./text";
import type { Tokens } from "./tokens";

export const ROW = 24;
const TOP = 8, LANE = 8, MOST_LANES = 10;

/** Depth first from the sinks: every node follows its inputs, and long paths stay together. */
export function listOrder(m: GraphModel): number[] {
  const depth = new Map<number, number>();
  for (const i of m.order) depth.set(i, m.inputs[i].reduce((most, k) => Math.max(most, (depth.get(k) ?? 0) + 1), 0));
  const open = new Set<number>(), done = new Set<number>(), order: number[] = [];
  const visit = (start: number) => {
    const stack = [start];
    while (stack.length) {
      const i = stack[stack.length - 1];
      if (open.has(i) || done.has(i)) {
        stack.pop();
        if (!done.has(i)) order.push(i);
        done.add(i);
        continue;
      }
      open.add(i);
      const inputs = m.inputs[i].filter((k) => !open.has(k)).sort((a, b) => depth.get(a)! - depth.get(b)! || b - a);
      stack.push(...inputs);
    }
  };
  for (const i of m.tops) if (!m.outputs[i].length) visit(i);
  for (const i of m.tops) visit(i);
  return order;
}

export interface Rail { from: number; to: number[]; lane: number }

/** A lane for each node that is used further down; -1: only by the next row, so a short line is enough. */
export function rails(m: GraphModel, order: number[]): { rails: Rail[]; lanes: number } {
  const row = new Map(order.map((i, k) => [i, k]));
  const free: number[] = [];
  const list: Rail[] = [];
  order.forEach((i, k) => {
    const to = m.outputs[i].map((j) => row.get(j)!).filter((j) => j !== undefined && j > k);
    if (!to.length) return;
    const end = Math.max(...to);
    if (end === k + 1) return void list.push({ from: k, to, lane: -1 });
    let lane = 0;
    while (free[lane] > k) lane++;
    free[lane] = end;
    list.push({ from: k, to, lane });
  });
  return { rails: list, lanes: free.length };
}

export interface ListLook { colors: Tokens; ruler: Ruler; turn: number; search: string; selected: number; cursor: number; hover: number }

export class ListPicture {
  rows: number[] = [];
  private order: number[] = [];
  private list: Rail[] = [];
  private lanes = 0;
  private shape = -1;
  private matched: ((i: number) => boolean) | null = null;
  private width = 0;

  constructor(private readonly m: GraphModel, private readonly look: () => ListLook) {}

  refresh(matched: ((i: number) => boolean) | null): void {
    if (this.shape === this.m.shape && !matched && !this.matched) return;
    if (this.shape !== this.m.shape) this.order = listOrder(this.m);
    this.shape = this.m.shape;
    this.matched = matched;
    this.rows = matched ? this.order.filter(matched) : this.order;
    const { rails: list, lanes } = rails(this.m, this.rows);
    this.list = list;
    this.lanes = Math.min(lanes, MOST_LANES);
  }

  size(width: number): { w: number; h: number } {
    this.width = width;
    return { w: width, h: this.rows.length * ROW + 2 * TOP };
  }

  rowRect(node: number): Rect | null {
    const k = this.rows.indexOf(node);
    return k < 0 ? null : { x: 0, y: TOP + k * ROW, w: this.width, h: ROW };
  }

  at(y: number): number {
    return this.rows[Math.floor((y - TOP) / ROW)] ?? -1;
  }

  draw(pen: Pen, seen: Rect): void {
    const look = this.look();
    const first = Math.max(0, Math.floor((seen.y - TOP) / ROW)), last = Math.min(this.rows.length - 1, Math.ceil((seen.y + seen.h - TOP) / ROW));
    const gx = 12 + this.lanes * LANE + 8;
    for (const i of [look.hover, look.selected]) {
      const k = this.rows.indexOf(i);
      if (k >= first && k <= last) pen.rect(0, TOP + k * ROW, this.width, ROW, { fill: look.colors.wash });
    }
    this.drawRails(pen, gx, first, last, look);
    const names = Math.min(240, Math.max(76, ...this.rows.slice(first, last + 1).map((i) => look.ruler.measure(plain(this.m.nodes[i].name), 13, 500))));
    const column = gx + 20 + Math.min(names, this.width * 0.4) + 20;
    for (let k = first; k <= last; k++) this.drawRow(pen, k, gx, column, look);
  }

  private drawRails(pen: Pen, gx: number, first: number, last: number, { colors }: ListLook): void {
    const y = (k: number) => TOP + k * ROW + ROW / 2;
    for (const { from, to, lane } of this.list) {
      if (Math.max(...to) < first || from > last) continue;
      const kinds = to.map((j) => edgeKind(this.m, this.rows[from], this.rows[j]));
      to.forEach((j, n) => {
        const line = EDGE[kinds[n]](colors);
        if (lane < 0) return pen.path(`M${gx + 6} ${y(from) + 8}V${y(j) - 8}`, line);
        if (lane >= MOST_LANES) return;
        const x = gx - 10 - lane * LANE;
        pen.path(`M${gx - 2} ${y(from)}C${x} ${y(from)} ${x} ${y(from)} ${x} ${y(from) + 8}V${y(j) - 8}C${x} ${y(j)} ${x} ${y(j)} ${gx - 2} ${y(j)}`, line);
      });
    }
  }

  private drawRow(pen: Pen, k: number, gx: number, column: number, look: ListLook): void {
    const { m } = this, { colors: c, ruler } = look, i = this.rows[k], y = TOP + k * ROW + ROW / 2;
    const status = m.of(i), quiet = QUIET.has(status), family = m.family(i);
    drawGlyph(pen, c, gx, y - 6, status, { share: m.share(i), turn: look.turn });
    const name = elideMiddle(plain(m.nodes[i].name), column - gx - 36, (t) => ruler.measure(t, 13, 500));
    drawMarked(pen, gx + 20, y + 4.5, name, { size: 13, weight: 500, ink: quiet ? c.t2 : c.t1 }, look.search, ruler);
    const text = cardText(m, i), right = this.width - 12;
    const childFailed = Boolean(family?.failed), took = m.took(i);
    const left = childFailed ? `${text.left}, ${text.right}` : text.left;
    const time = childFailed ? (took >= 0 ? `${took.toFixed(1)} s` : "") : text.right;
    const room = right - column - (time ? ruler.measure(time, 11) + 8 : 0);
    pen.text(column, y + 4, elideEnd(plain(left), room, (t) => ruler.measure(t, 11)), { size: 11, ink: BAD.has(status) ? c.failt : c.t3 });
    if (time) pen.text(right, y + 4, time, { size: 11, ink: status === "running" ? c.runt : c.t2, align: "right" });
    if (family && family.reused + family.ran + family.running + family.failed) drawSegments(pen, column, y + 8, right - column, 2, family, c);
    else if (status === "running") {
      pen.rect(column, y + 8, right - column, 2, { fill: c.track });
      pen.rect(column, y + 8, (right - column) * (m.share(i) ?? 0), 2, { fill: c.run });
    }
    if (i === look.cursor) pen.rect(2, y - 11, this.width - 4, ROW - 2, { stroke: c.run, width: 2 }, 2);
  }
}
