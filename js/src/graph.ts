// The graph as a picture on the stage: what is unfolded, how far, what is under the pointer.

import { drawGraph } from "./draw";
import { reducedMotion } from "./dom";
import { tooltip } from "./facts";
import type { Pen } from "./pen";
import { cellAt, cellRect, Scene, type Rect } from "./scene";
import type { Tip } from "./tip";
import type { Widget } from "./widget";

const FOLD_MS = 150, FADE_MS = 120, HOVER_MS = 350, SMALLEST = 0.9;

interface Fold { from: number; to: number; start: number }

export class GraphPicture {
  readonly scene: Scene;
  /** What the user has opened or closed, by the card's key. */
  private readonly chosen = new Map<string, boolean>();
  private readonly folds = new Map<string, Fold>();
  /** When the cards that are still fading in came. */
  private readonly born = new Map<string, number>();
  private zoomedByUser = false;
  private fitWanted = false;
  private now = 0;

  constructor(private readonly w: Widget) {
    const { ruler } = w;
    this.scene = new Scene(w.m, (t) => ruler.measure(t, 13, 500), (t) => ruler.measure(t, 11));
  }

  private get available(): number {
    return this.w.stage.scroller.clientWidth || this.w.root.clientWidth - 2;
  }

  refresh(): void {
    const { scene } = this;
    if (!this.available) return;
    if (scene.refresh(this.available)) this.welcome();
    scene.unfolds.clear();
    scene.deck.cards.forEach((card, c) => {
      const open = this.isOpen(c);
      if (!open && !this.folds.has(card.key)) return;
      const unfold = scene.unfoldOf(c, card.node < 0 ? this.w.matched : null) ?? scene.unfoldOf(c, null);
      if (unfold) scene.unfolds.set(c, unfold);
      this.aim(card.key, open && unfold ? 1 : 0);
    });
  }

  private welcome(): void {
    const now = performance.now();
    if (!reducedMotion()) for (const key of this.scene.newcomers) this.born.set(key, now);
    this.scene.newcomers = [];
  }

  /** A group opens by itself for the nodes that a filter finds in it. */
  isOpen(c: number): boolean {
    const card = this.scene.deck.cards[c], { matched } = this.w;
    if (card.node < 0 && matched && this.w.filter.text && !this.chosen.has(card.key)) return card.members.some(matched);
    return this.chosen.get(card.key) ?? false;
  }

  openKeys(): string[] {
    return this.scene.deck.cards.filter((_, c) => this.isOpen(c)).map((card) => card.key);
  }

  toggle(c: number, open = !this.isOpen(c)): void {
    const { scene } = this;
    if (open && !scene.unfoldOf(c, null)) return;
    this.chosen.set(scene.deck.cards[c].key, open);
    if (!open && !this.w.filter.text) this.chosen.delete(scene.deck.cards[c].key);
    this.w.touch();
  }

  private aim(key: string, to: number): void {
    const fold = this.folds.get(key);
    if ((fold?.to ?? 0) === to) return;
    const now = performance.now(), instant = reducedMotion();
    this.folds.set(key, { from: instant ? to : this.openness(key, now), to, start: now });
  }

  private openness(key: string, now: number): number {
    const fold = this.folds.get(key);
    if (!fold) return 0;
    const t = Math.min(1, (now - fold.start) / FOLD_MS);
    return fold.from + (fold.to - fold.from) * (1 - (1 - t) ** 3);
  }

  /** Brings the geometry to this moment; true while something is still moving. */
  beforeDraw(now: number): boolean {
    const shares = new Map<number, number>();
    let moving = false;
    this.scene.deck.cards.forEach((card, c) => {
      const fold = this.folds.get(card.key);
      if (!fold) return;
      const share = this.openness(card.key, now);
      if (share > 0) shares.set(c, share);
      if (now - fold.start < FOLD_MS) moving = true;
      else if (fold.to === 0) this.folds.delete(card.key);
    });
    for (const [key, came] of this.born) if (now - came > FADE_MS) this.born.delete(key);
    this.now = now;
    this.scene.pose(shares);
    if (!this.zoomedByUser) this.w.stage.zoom = this.naturalZoom();
    return moving || this.born.size > 0;
  }

  /** A little smaller rather than scrolled; below that scrolled, because tiny text is worse. */
  private naturalZoom(): number {
    const { available } = this, { width } = this.scene.base;
    if (this.fitWanted) return Math.max(0.25, Math.min(1, available / this.scene.now.width));
    const shown = this.w.matched && this.scene.deck.grouped ? this.scene.now.width : width;
    return Math.min(1, Math.max(SMALLEST, available / shown));
  }

  size(): { w: number; h: number } {
    return { w: this.scene.now.width, h: this.scene.now.height };
  }

  draw(pen: Pen, seen: Rect, zoom: number): void {
    const opacity = (c: number) => {
      const came = this.born.get(this.scene.deck.cards[c].key);
      return came === undefined ? 1 : Math.max(0, Math.min(1, (this.now - came) / FADE_MS));
    };
    drawGraph(pen, this.w.m, this.scene, { ...this.w.look(), seen, zoom, opacity });
  }

  shown(): void {
    this.zoomedByUser = this.fitWanted = false;
  }

  userZoomed(): void {
    this.zoomedByUser = true;
  }

  fit(inView: boolean): void {
    if (!inView) return;
    this.fitWanted = this.zoomedByUser || !this.fitWanted;
    this.zoomedByUser = false;
    this.w.stage.scroller.scrollTo(0, 0);
    this.w.stage.invalidate();
  }

  tidy(): void {
    this.scene.refresh(this.available, true);
    this.w.touch();
  }

  // ---- places ----

  /** The card of a node, and the cell in it when that is open and shows the node. */
  place(node: number): { c: number; cell: number } {
    const { m } = this.w;
    const c = this.scene.deck.cardOf[m.nodes[node]?.parent ?? node] ?? -1;
    const unfold = this.scene.unfolds.get(c);
    const own = c >= 0 && this.scene.deck.cards[c].node === node;
    const at = unfold && !own ? unfold.items.indexOf(node) : -1;
    return { c, cell: at < 0 ? -1 : Math.floor(at / unfold!.per) };
  }

  rectOf(node: number): Rect | null {
    const { c, cell } = this.place(node);
    if (c < 0) return null;
    const rect = this.scene.rect(c), unfold = this.scene.unfolds.get(c);
    if (cell < 0 || !unfold) return rect;
    const inner = cellRect(unfold, cell);
    return { ...inner, x: rect.x + inner.x, y: rect.y + inner.y };
  }

  private at(x: number, y: number): { c: number; node: number; inCell: boolean } {
    const c = this.scene.cardAt(x, y);
    if (c < 0) return { c, node: -1, inCell: false };
    const card = this.scene.deck.cards[c], unfold = this.scene.unfolds.get(c), rect = this.scene.rect(c);
    const k = unfold && rect.h > 44 ? cellAt(unfold, x - rect.x, y - rect.y) : -1;
    if (unfold && k >= 0) return { c, node: unfold.items[k * unfold.per], inCell: true };
    return { c, node: card.node >= 0 ? card.node : card.members[0], inCell: false };
  }

  pointer(kind: "move" | "leave" | "click", x: number, y: number, tip: Tip): void {
    const { c, node, inCell } = kind === "leave" ? { c: -1, node: -1, inCell: false } : this.at(x, y);
    this.w.setHover(node);
    if (kind === "click") {
      tip.hide();
      return this.click(c, node, inCell);
    }
    if (node < 0) return tip.hide();
    const rect = inCell ? this.rectOf(node)! : this.scene.rect(c);
    const card = this.scene.deck.cards[c];
    if (card.node < 0 && !inCell) return tip.show(card.title, [`${card.members.length} nodes`], this.w.stage.onScreen(rect), HOVER_MS);
    const { head, lines } = tooltip(this.w.m, node);
    tip.show(head, lines, this.w.stage.onScreen(rect), inCell ? 80 : HOVER_MS);
  }

  private click(c: number, node: number, inCell: boolean): void {
    const { w } = this;
    if (c < 0) return w.select(null);
    w.cursor = node;
    const card = this.scene.deck.cards[c];
    if (inCell) return w.select(w.m.nodes[node].name);
    if (card.node < 0) return this.toggle(c);
    const again = w.selected === w.m.nodes[node].name;
    w.select(w.m.nodes[node].name);
    if (w.m.kids.has(node) && (again || !this.isOpen(c))) this.toggle(c);
  }

  /** Keeps the first running card in view, unless the user looks elsewhere. */
  followRunning(): void {
    const { scene, w } = this;
    const c = scene.deck.cards.findIndex((card) => card.members.some((i) => w.m.of(i) === "running"));
    if (c >= 0) w.stage.reveal(scene.rect(c), true);
  }

  rects(): { name: string; rect: Rect }[] {
    const { scene, w } = this;
    return scene.deck.cards.flatMap((card, c) => {
      const own = { name: card.title, rect: scene.rect(c) };
      const unfold = scene.unfolds.get(c);
      return unfold && this.isOpen(c) ? [own, ...unfold.items.map((i) => ({ name: w.m.nodes[i].name, rect: this.rectOf(i)! }))] : [own];
    });
  }
}
