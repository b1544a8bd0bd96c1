// Where everything of the graph is: the layout of folded cards, and how unfolded ones push the others away. No drawing.

import { deckOf, type Card, type Deck } from "./cards";
import { cold, edgePath, gapFor, warm, type Layout, type LayoutInput } from "./layout";
import type { GraphModel } from "./model";
import type { Measure } from "./text";

export const CARD_HEIGHT = 40;
const [NARROWEST, WIDEST] = [124, 200];
const [CELL_W, CELL_H, SQUARE, ROW] = [36, 20, 8, 20];
const MOST_CELLS = 64, MOST_SQUARES = 2000, MOST_ROWS = 8;
const HYSTERESIS = 16;

/** What an open card shows: labelled cells, squares (each for `per` nodes), or rows of names. */
export interface Unfold { kind: "cells" | "squares" | "rows"; w: number; h: number; columns: number; per: number; items: number[] }
export interface Rect { x: number; y: number; w: number; h: number }

export const up4 = (x: number) => Math.ceil(x / 4) * 4;

/** From the name only: nothing that changes in a run may move or resize a card. */
export const cardWidth = (title: string, name: Measure) => Math.max(NARROWEST, Math.min(WIDEST, up4(34 + name(title))));

export function unfoldCells(items: number[], labels: string[], small: Measure): Unfold {
  const n = items.length;
  if (n <= MOST_CELLS && labels.every((label) => small(label) <= CELL_W - 16)) {
    const columns = Math.max(3, Math.min(8, Math.ceil(Math.sqrt(n))));
    return { kind: "cells", items, columns, per: 1, w: 16 + columns * (CELL_W + 4) - 4, h: 52 + Math.ceil(n / columns) * (CELL_H + 4) };
  }
  const per = Math.ceil(n / MOST_SQUARES), shown = Math.ceil(n / per);
  const columns = Math.max(12, Math.min(40, Math.ceil(Math.sqrt(shown * 1.6))));
  return { kind: "squares", items, columns, per, w: up4(16 + columns * (SQUARE + 2) - 2), h: up4(54 + Math.ceil(shown / columns) * (SQUARE + 2)) };
}

export function unfoldRows(items: number[], width: number): Unfold {
  const shown = items.slice(0, MOST_ROWS);
  return { kind: "rows", items: shown, columns: 1, per: 1, w: Math.max(width, 160), h: 52 + shown.length * ROW };
}

/** Where the k-th cell of an unfolded card is, from the card's corner. */
export function cellRect(u: Unfold, k: number): Rect {
  const c = k % u.columns, r = Math.floor(k / u.columns);
  if (u.kind === "cells") return { x: 8 + c * (CELL_W + 4), y: 48 + r * (CELL_H + 4), w: CELL_W, h: CELL_H };
  if (u.kind === "rows") return { x: 8, y: 48 + k * ROW, w: u.w - 16, h: ROW };
  return { x: 8 + c * (SQUARE + 2), y: 48 + r * (SQUARE + 2), w: SQUARE, h: SQUARE };
}

/** Which cell is at a place in the card; -1 for none. */
export function cellAt(u: Unfold, x: number, y: number): number {
  const [w, h] = u.kind === "cells" ? [CELL_W + 4, CELL_H + 4] : u.kind === "rows" ? [u.w, ROW] : [SQUARE + 2, SQUARE + 2];
  const c = Math.floor((x - (u.kind === "rows" ? 0 : 8)) / w), r = Math.floor((y - 48) / h);
  if (c < 0 || c >= u.columns || r < 0) return -1;
  const k = r * u.columns + c;
  return k < Math.ceil(u.items.length / u.per) ? k : -1;
}

export class Scene {
  deck: Deck = { cards: [], edges: [], within: [], cardOf: new Int32Array(0), grouped: "" };
  /** All folded. */
  base: Layout = cold({ widths: [], heights: [], edges: [] }, 48);
  /** As shown now. */
  now: Layout = this.base;
  /** What open cards show, by card. */
  unfolds = new Map<number, Unfold>();
  gap = 48;
  /** Keys of the cards that came with the last new shape, when others stayed. */
  newcomers: string[] = [];
  private available = 0;
  private shape = -1;
  private paths = new Map<string, string>();

  constructor(private readonly m: GraphModel, private readonly name: Measure, private readonly small: Measure) {}

  /** Lays out anew when nodes or edges have changed; cards that stay keep their places. True when something changed. */
  refresh(available: number, tidy = false): boolean {
    if (this.shape === this.m.shape && !tidy) return this.fitGap(available);
    const old = this.deck, before = this.base;
    this.shape = this.m.shape;
    this.deck = deckOf(this.m);
    const place = new Map(old.cards.map((card, k) => [card.key, k]));
    const stay = this.deck.cards.filter((card) => place.has(card.key)).map((card) => card.key);
    const keep = !tidy && stay.length > 0 && stay.length * 2 >= this.deck.cards.length;
    this.newcomers = keep ? this.deck.cards.filter((card) => !place.has(card.key)).map((card) => card.key) : [];
    if (keep) this.deck = reordered(this.deck, old.cards.map((card) => card.key));
    const input = this.input();
    this.base = keep ? warm(input, this.gap, pruned(before, stay.sort((a, b) => place.get(a)! - place.get(b)!).map((key) => place.get(key)!))) : cold(input, this.gap);
    this.available = -Infinity;
    this.fitGap(available);
    this.pose(new Map());
    return true;
  }

  private input(): LayoutInput {
    const widths = this.deck.cards.map((card) => cardWidth(card.title, this.name));
    return { widths, heights: widths.map(() => CARD_HEIGHT), edges: this.deck.edges };
  }

  private fitGap(available: number): boolean {
    if (Math.abs(available - this.available) < HYSTERESIS) return false;
    this.available = available;
    const gap = gapFor(this.base.columnW, available);
    if (gap === this.gap) return false;
    this.gap = gap;
    this.base = warm(this.input(), gap, this.base);
    return true;
  }

  /** Opens cards by the given shares of 1: positions only, the rest of the picture does not change. */
  pose(openness: Map<number, number>): void {
    this.paths.clear();
    if (!openness.size) {
      this.now = this.base;
      return;
    }
    const input = this.input();
    for (const [c, share] of openness) {
      const unfold = this.unfolds.get(c);
      if (!unfold || share <= 0) continue;
      const folded = this.base.w[c];
      input.widths[c] = folded + (Math.max(folded, unfold.w) - folded) * share;
      input.heights[c] = CARD_HEIGHT + (unfold.h - CARD_HEIGHT) * share;
    }
    this.now = warm(input, this.gap, this.base);
  }

  unfoldOf(c: number, matched: ((i: number) => boolean) | null): Unfold | null {
    const card = this.deck.cards[c];
    if (card.node >= 0) {
      const kids = this.m.kids.get(card.node);
      return kids?.length ? unfoldCells(kids, kids.map((k) => this.m.nodes[k].label ?? ""), this.small) : null;
    }
    const wanted = matched ? card.members.filter(matched) : card.members;
    if (!wanted.length) return null;
    if (matched || wanted.length <= MOST_ROWS) return unfoldRows(wanted, this.base.w[c]);
    return unfoldCells(wanted, wanted.map(() => "\u2003\u2003\u2003"), this.small);
  }

  rect(c: number): Rect {
    const { x, y, w, h } = this.now;
    return { x: x[c], y: y[c], w: w[c], h: h[c] };
  }

  /** The curve of an edge as path data; it starts `nudge` right of the port. */
  path(e: number, nudge: number): string {
    const key = `${e} ${nudge}`;
    let d = this.paths.get(key);
    if (d === undefined) {
      const route = this.now.routes[e].map((p, k): [number, number] => (k === 0 ? [p[0] + nudge, p[1]] : p));
      d = "";
      for (const [x1, y1, ax, ay, bx, by, x2, y2] of edgePath(route)) {
        d += `${d ? "L" : "M"}${round(x1)} ${round(y1)}`;
        d += y1 === y2 ? `L${round(x2)} ${round(y2)}` : `C${round(ax)} ${round(ay)} ${round(bx)} ${round(by)} ${round(x2)} ${round(y2)}`;
      }
      this.paths.set(key, d);
    }
    return d;
  }

  cardAt(x: number, y: number): number {
    const { now } = this;
    for (let c = 0; c < this.deck.cards.length; c++) {
      if (x >= now.x[c] && x < now.x[c] + now.w[c] && y >= now.y[c] && y < now.y[c] + now.h[c]) return c;
    }
    return -1;
  }

  /** Is a stretch below a card free of cards and lines? */
  free(area: Rect): boolean {
    const { now } = this;
    for (let c = 0; c < now.x.length; c++) {
      const clear = now.x[c] >= area.x + area.w || now.x[c] + now.w[c] <= area.x || now.y[c] >= area.y + area.h || now.y[c] + now.h[c] <= area.y;
      if (!clear) return false;
    }
    const inside = (x: number, y: number) => x > area.x && x < area.x + area.w && y > area.y && y < area.y + area.h;
    return now.routes.every((route) => !crosses(edgePath(route), inside));
  }
}

/** Does a curve come through a place? Sampled: the pieces are short and smooth. */
function crosses(path: number[][], inside: (x: number, y: number) => boolean): boolean {
  const steps = 16;
  return path.some(([x1, y1, ax, ay, bx, by, x2, y2]) => {
    for (let k = 0; k <= steps; k++) {
      const t = k / steps, u = 1 - t;
      const [a, b, c, d] = [u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t];
      if (inside(a * x1 + b * ax + c * bx + d * x2, a * y1 + b * ay + c * by + d * y2)) return true;
    }
    return false;
  });
}

const round = (x: number) => Math.round(x * 100) / 100;

/** The cards in the order of `keys`, newcomers after them. */
function reordered(deck: Deck, keys: string[]): Deck {
  const place = new Map(keys.map((key, k) => [key, k]));
  const rank = (card: Card) => place.get(card.key) ?? Infinity;
  const from = deck.cards.map((_, c) => c).sort((a, b) => rank(deck.cards[a]) - rank(deck.cards[b]) || a - b);
  const to: number[] = [];
  from.forEach((c, k) => (to[c] = k));
  return {
    ...deck,
    cards: from.map((c) => deck.cards[c]),
    edges: deck.edges.map(([a, b]) => [to[a], to[b]]),
    cardOf: deck.cardOf.map((c) => (c < 0 ? c : to[c])),
  };
}

/** A layout without the cards that are gone. */
function pruned(layout: Layout, stay: number[]): Layout {
  const to = new Map(stay.map((c, k) => [c, k]));
  const only = (list: number[]) => stay.map((c) => list[c]);
  const edges: [number, number][] = [], routes: [number, number][][] = [];
  layout.edges.forEach(([a, b], e) => {
    if (!to.has(a) || !to.has(b)) return;
    edges.push([to.get(a)!, to.get(b)!]);
    routes.push(layout.routes[e]);
  });
  return {
    ...layout, edges, routes, column: only(layout.column), order: only(layout.order), x: only(layout.x), y: only(layout.y),
    w: only(layout.w), h: only(layout.h),
  };
}
