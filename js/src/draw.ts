// Paints the graph: edges first, then cards, then the dams where a change stopped.

import { cardStatus, groupFamily, kindOf, worst, type Card } from "./cards";
import { cardText, damNote, dams, type EdgeKind } from "./facts";
import { hit } from "./filter";
import { BAD, QUIET } from "./glyphs";
import type { Family, GraphModel } from "./model";
import { drawGlyph, type Line, type Pen, type Ruler, type Type } from "./pen";
import type { Status } from "./protocol";
import { CARD_HEIGHT, cellRect, type Rect, type Scene, type Unfold } from "./scene";
import { elideEnd, elideMiddle, plain } from "./text";
import type { Tokens } from "./tokens";

export interface Look {
  colors: Tokens;
  ruler: Ruler;
  /** Turn of arcs of unknown share, in radians. */
  turn: number;
  matched: ((i: number) => boolean) | null;
  search: string;
  selected: number;
  hover: number;
  /** The node under the keyboard, or -1. */
  cursor: number;
  zoom: number;
  /** How far a new card has faded in. */
  opacity(c: number): number;
  /** What can be seen, in the picture's coordinates. */
  seen: Rect;
}

export const EDGE: { [K in EdgeKind]: (c: Tokens) => Line } = {
  carried: (c) => ({ stroke: c.run, width: 2 }),
  cutoff: (c) => ({ stroke: c.edge, width: 1.25, dash: [0.1, 4], cap: "round" }),
  reused: (c) => ({ stroke: c.edge, width: 1 }),
  inactive: (c) => ({ stroke: c.edge, width: 1, dash: [4, 3] }),
};
const RANK: { [K in EdgeKind]: number } = { inactive: 0, reused: 0, cutoff: 1, carried: 2 };

export function drawGraph(pen: Pen, m: GraphModel, scene: Scene, look: Look): void {
  drawEdges(pen, m, scene, look);
  scene.deck.cards.forEach((card, c) => {
    const rect = scene.rect(c);
    if (!overlaps(rect, look.seen)) return;
    const opacity = look.opacity(c);
    if (opacity < 1) pen.opacity(opacity);
    if (look.zoom < 0.4) drawDot(pen, rect, cardStatus(m, card), look);
    else drawCard(pen, m, card, rect, scene.unfolds.get(c), look);
    if (opacity < 1) pen.opacity(1);
  });
  if (!scene.deck.grouped) drawDams(pen, m, scene, look);
}

const overlaps = (a: Rect, b: Rect) => a.x < b.x + b.w + 8 && a.x + a.w > b.x - 8 && a.y < b.y + b.h + 8 && a.y + a.h > b.y - 8;

// ---- edges ----

interface Wire { e: number; kind: EdgeKind; hot: boolean; dim: boolean; rank: number }

function wires(m: GraphModel, scene: Scene, look: Look): Wire[] {
  const { deck } = scene;
  const own = new Set([look.selected, look.hover].filter((i) => i >= 0).map((i) => deck.cardOf[m.nodes[i]?.parent ?? i]));
  const dimmed = look.matched ? deck.cards.map((card) => !card.members.some(look.matched!)) : [];
  const list = deck.edges.map(([a, b], e): Wire => {
    const kind = kindOf(m, deck.within[e]), hot = own.has(a) || own.has(b);
    const dim = Boolean(dimmed[a] || dimmed[b]);
    return { e, kind, hot, dim, rank: RANK[kind] + (hot ? 3 : 0) - (dim ? 3 : 0) };
  });
  return list.sort((a, b) => a.rank - b.rank);
}

function drawEdges(pen: Pen, m: GraphModel, scene: Scene, look: Look): void {
  const { deck, now } = scene, { colors, seen } = look;
  const heads = new Map<number, string>();
  for (const { e, kind, hot, dim } of wires(m, scene, look)) {
    const [a, b] = deck.edges[e];
    const line = { ...EDGE[dim ? "reused" : kind](colors) };
    if (dim) line.stroke = colors.line;
    else if (hot && kind !== "carried") line.stroke = colors.t1;
    heads.set(b, dim ? colors.edge : line.stroke!);
    const route = now.routes[e];
    if (route[0][0] > seen.x + seen.w || route[route.length - 1][0] < seen.x) continue;
    pen.path(scene.path(e, nudge(m, deck.cards[a], scene, a, kind, dim)), line);
  }
  for (const [c, ink] of heads) {
    const x = now.x[c], y = now.y[c] + CARD_HEIGHT / 2;
    pen.path(`M${x - 6} ${y - 3}L${x - 0.5} ${y}L${x - 6} ${y + 3}Z`, { fill: ink });
  }
}

/** Lines start behind a dam, and behind the second sheet of a stack. */
function nudge(m: GraphModel, card: Card, scene: Scene, c: number, kind: EdgeKind, dim: boolean): number {
  const stacked = isStack(m, card) && !(scene.now.h[c] > CARD_HEIGHT) ? 3 : 0;
  const dam = kind === "cutoff" && !dim && card.node >= 0 && m.of(card.node) === "ran" && m.verdict[card.node] === 2;
  return dam ? 10 + stacked : stacked;
}

const isStack = (m: GraphModel, card: Card) => (card.node < 0 ? card.members.length > 1 : Boolean(m.nodes[card.node].mapped || m.kids.has(card.node)));

function drawDams(pen: Pen, m: GraphModel, scene: Scene, look: Look): void {
  const { colors, ruler } = look;
  for (const dam of dams(m)) {
    const c = scene.deck.cardOf[dam.node];
    const { x, y, w, h } = scene.rect(c);
    const right = x + w, middle = y + CARD_HEIGHT / 2;
    const dim = look.matched !== null && !look.matched(dam.node);
    pen.path(`M${right} ${middle}H${right + 7}`, { stroke: dim ? colors.line : colors.run, width: 2 });
    pen.rect(right + 6.5, middle - 10, 3, 20, { fill: dim ? colors.edge : colors.t1 }, 0.5);
    if (dim) continue;
    const note = damNote(dam);
    const widest = Math.max(...note.map((line, k) => ruler.measure(line, 12, k ? 400 : 500)));
    const area = { x: right - 2 - widest, y: y + h + 4, w: widest + 4, h: note.length * 16 + 2 };
    if (note.length < 3 || look.zoom < 0.85 || area.x < 4 || area.y + area.h > scene.now.height || !scene.free(area)) continue;
    pen.path(`M${right + 8} ${middle + 13}V${y + h + 14.5}H${right + 2}`, { stroke: colors.edge });
    note.forEach((line, k) =>
      pen.text(right - 2, y + h + 18 + k * 16, line, { size: 12, weight: k ? 400 : 500, ink: k ? colors.t2 : colors.t1, align: "right" }));
  }
}

// ---- cards ----

function drawDot(pen: Pen, { x, y, w, h }: Rect, status: Status, { colors }: Look): void {
  const ink = BAD.has(status) ? colors.fail : status === "running" || status === "ran" ? colors.run
    : status === "stale" || status === "maybe" ? colors.stale : colors.edge;
  pen.rect(x, y, w, h, { fill: colors.track }, 4);
  pen.rect(x + w / 2 - 8, y + h / 2 - 8, 16, 16, { fill: ink }, BAD.has(status) ? 2 : 8);
}

function drawCard(pen: Pen, m: GraphModel, card: Card, rect: Rect, unfold: Unfold | undefined, look: Look): void {
  const { colors: c } = look, { x, y, w, h } = rect;
  const node = card.node, status = cardStatus(m, card), quiet = QUIET.has(status);
  const open = h > CARD_HEIGHT && unfold !== undefined;
  const dim = look.matched !== null && !card.members.some(look.matched);
  const selected = node >= 0 && (node === look.selected || m.nodes[look.selected]?.parent === node);
  if (isStack(m, card) && (!open || node < 0)) pen.path(`M${x + 4} ${y + h + 2.5}H${x + w + 2.5}V${y + 4}`, { stroke: dim ? c.line : c.edge, width: 1 });
  const border = dim ? c.line : selected ? c.ink0 : status === "running" ? c.run : BAD.has(status) ? c.fail : c.line;
  const dash = node >= 0 && m.nodes[node].opaque ? [3, 2] : undefined;
  pen.rect(x + 0.5, y + 0.5, w - 1, h - 1, { fill: quiet ? c.bg : c.card, stroke: border, width: selected ? 1.75 : 1, dash }, 2);
  const share = node >= 0 ? m.share(node) : groupShare(m, card);
  drawGlyph(pen, c, x + 8, y + 7, status, { share, turn: look.turn, ink: dim ? c.edge : undefined });
  drawName(pen, card, rect, { dim, quiet }, look);
  drawSecondLine(pen, m, card, rect, status, dim, look);
  if (!dim) drawBar(pen, m, card, rect, status, open, look);
  if (open) drawUnfolded(pen, m, rect, unfold, dim ? { ...look, colors: faded(c) } : look);
  const cursor = node >= 0 && node === look.cursor || node < 0 && card.members[0] === look.cursor;
  if (cursor) pen.rect(x - 2, y - 2, w + 4, h + 4, { stroke: c.run, width: 2 }, 3);
}

/** For what a filter leaves out: no colour, but the same contrast of text. */
const faded = (c: Tokens): Tokens => ({ ...c, run: c.edge, fail: c.edge, stale: c.edge, t1: c.t3, runw: c.bg, failw: c.bg });

function groupShare(m: GraphModel, card: Card): number {
  const f = groupFamily(m, card);
  return f.n ? f.settled / f.n : 0;
}

function drawName(pen: Pen, card: Card, { x, y, w }: Rect, { dim, quiet }: { dim: boolean; quiet: boolean }, look: Look): void {
  if (look.zoom < 0.6) return;
  const weight = dim ? 400 : 500, ink = dim ? look.colors.t3 : quiet ? look.colors.t2 : look.colors.t1;
  const fitted = elideMiddle(plain(card.title), w - 34, (t) => look.ruler.measure(t, 13, weight));
  drawMarked(pen, x + 26, y + 17.5, fitted, { size: 13, weight, ink }, dim ? "" : look.search, look.ruler);
}

/** A name in which the part that was searched for is underlined and heavier. */
export function drawMarked(pen: Pen, x: number, y: number, name: string, type: Type, search: string, ruler: Ruler): void {
  let at = x;
  for (const [k, part] of (hit(name, search) ?? [name]).entries()) {
    const weight = k === 1 ? 600 : type.weight;
    pen.text(at, y, part, { ...type, weight, underline: k === 1 });
    at += ruler.measure(part, type.size, weight);
  }
}

function drawSecondLine(pen: Pen, m: GraphModel, card: Card, { x, y, w }: Rect, status: Status, dim: boolean, look: Look): void {
  if (look.zoom < 0.85) return;
  const { colors: c, ruler } = look;
  const text = card.node >= 0 ? cardText(m, card.node) : groupText(card, look.matched, BAD.has(status));
  const right = plain(text.right);
  const room = w - 34 - (right ? 4 + ruler.measure(right, 11) : 0);
  const left = elideEnd(plain(text.left), room, (t) => ruler.measure(t, 11));
  pen.text(x + 26, y + 31.5, left, { size: 11, ink: text.leftBad && !dim ? c.failt : c.t3 });
  if (right) pen.text(x + w - 8, y + 31.5, right, { size: 11, ink: dim ? c.t3 : c[text.rightInk], align: "right" });
}

function groupText(card: Card, matched: Look["matched"], leftBad: boolean) {
  const n = card.members.length;
  const hits = matched ? card.members.filter(matched).length : 0;
  return { left: hits ? `${hits} of ${n} match` : `${n} node${n === 1 ? "" : "s"}`, right: card.prompt, leftBad: leftBad && hits > 0, rightInk: "t3" as const };
}

function drawBar(pen: Pen, m: GraphModel, card: Card, { x, y, w, h }: Rect, status: Status, open: boolean, look: Look): void {
  const family = card.node >= 0 ? m.family(card.node) : groupFamily(m, card);
  if (family) {
    if (!open && family.reused + family.ran + family.running + family.failed === 0) return;
    if (open) drawSegments(pen, x + 8, y + 38, w - 16, 3, family, look.colors);
    else if (card.node >= 0) drawSegments(pen, x + 0.5, y + h - 3.5, w - 1, 3, family, look.colors);
  } else if (status === "running") {
    pen.rect(x + 0.5, y + h - 3, w - 1, 2.5, { fill: look.colors.track });
    pen.rect(x + 0.5, y + h - 3, (w - 1) * (m.share(card.node) ?? 0), 2.5, { fill: look.colors.run });
  }
}

/** Reused, ran, running (striped), failed (taller): told apart without colour. */
export function drawSegments(pen: Pen, x: number, y: number, w: number, h: number, f: Family, c: Tokens): void {
  pen.rect(x, y, w, h, { fill: c.track });
  const right = x + w;
  let at = x;
  const parts: [keyof Family, string][] = [["reused", c.t3], ["ran", c.run], ["running", ""], ["failed", c.fail]];
  for (const [key, ink] of parts) {
    if (!f[key]) continue;
    const wide = (w * f[key]) / f.n, end = at + wide;
    if (key === "running") for (let t = at + 1; t < Math.max(at + 2, end - 1); t += 3) pen.rect(t, y, 1.5, h, { fill: c.run });
    else {
      const tall = key === "failed" ? 2 : 0;
      pen.rect(at, y - tall, Math.max(1, wide - (end < right - 0.5 ? 1 : 0)), h + tall, { fill: ink });
    }
    at = end;
  }
}

function drawUnfolded(pen: Pen, m: GraphModel, card: Rect, u: Unfold, look: Look): void {
  const shown = Math.ceil(u.items.length / u.per);
  for (let k = 0; k < shown; k++) {
    const cell = cellRect(u, k);
    if (cell.y + cell.h > card.h - 4 || cell.x + cell.w > card.w - 4) continue;
    const at = { ...cell, x: card.x + cell.x, y: card.y + cell.y };
    if (!overlaps(at, look.seen)) continue;
    const items = u.items.slice(k * u.per, (k + 1) * u.per);
    if (u.kind === "rows") drawRow(pen, m, items[0], at, look);
    else if (u.kind === "cells") drawCell(pen, m, items[0], at, look);
    else drawSquare(pen, worst(items.map((i) => m.of(i))), at, items.includes(look.selected), look);
    if (items.includes(look.cursor)) pen.rect(at.x - 1.5, at.y - 1.5, at.w + 3, at.h + 3, { stroke: look.colors.run, width: 2 }, 3);
  }
}

function drawCell(pen: Pen, m: GraphModel, i: number, { x, y, w, h }: Rect, look: Look): void {
  const { colors: c } = look, status = m.of(i), bad = BAD.has(status), done = status === "ran";
  const border = i === look.selected ? c.ink0 : bad ? c.fail : status === "running" ? c.run : done ? undefined : c.line;
  pen.rect(x + 0.5, y + 0.5, w - 1, h - 1, { fill: bad ? c.failw : done ? c.runw : undefined, stroke: border, width: i === look.selected ? 1.75 : 1 }, 2);
  drawGlyph(pen, c, x + 3, y + 5, status, { size: 10, share: m.share(i), turn: look.turn });
  pen.text(x + 15, y + 14, m.nodes[i].label ?? "", { size: 11, ink: QUIET.has(status) ? c.t3 : c.t1 });
}

function drawSquare(pen: Pen, status: Status, { x, y, w, h }: Rect, selected: boolean, { colors: c }: Look): void {
  const bad = BAD.has(status);
  const fill = bad ? c.fail : status === "ran" ? c.run : status === "reused" || status === "cutoff" ? c.t3 : undefined;
  if (selected) pen.rect(x - 1, y - 1, w + 2, h + 2, { stroke: c.ink0, width: 1.75 });
  if (fill) pen.rect(x, y, w, h, { fill }, bad ? 0 : 1);
  else pen.rect(x + 0.5, y + 0.5, w - 1, h - 1, { stroke: status === "running" ? c.run : status === "stale" || status === "maybe" ? c.stale : c.edge, width: status === "running" ? 2 : 1 }, 1);
  if (bad) pen.path(`M${x + 2} ${y + 2}L${x + 6} ${y + 6}M${x + 6} ${y + 2}L${x + 2} ${y + 6}`, { stroke: c.card, width: 1.25 });
}

function drawRow(pen: Pen, m: GraphModel, i: number, { x, y, w }: Rect, look: Look): void {
  const { colors: c, ruler } = look, status = m.of(i);
  drawGlyph(pen, c, x, y + 4, status, { share: m.share(i), turn: look.turn });
  const time = cardText(m, i).right;
  const name = elideMiddle(plain(m.nodes[i].name), w - 24 - ruler.measure(time, 11), (t) => ruler.measure(t, 12, 600));
  drawMarked(pen, x + 18, y + 14, name, { size: 12, ink: c.t1 }, look.search, ruler);
  if (time) pen.text(x + w, y + 14, time, { size: 11, ink: c.t3, align: "right" });
}
