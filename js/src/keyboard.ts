// Keys: everything that a pointer can do. One stop for the view; arrows walk along edges, columns and grids.

import { plural } from "./text";
import { BAD } from "./glyphs";
import type { TreeItem } from "./tree";
import type { Widget } from "./widget";

const TWICE_MS = 500;

export class Keyboard {
  /** The last move came from a key: show the focus ring. */
  byKey = true;
  private lastEscape = -Infinity;

  constructor(private readonly w: Widget) {}

  /** Keys that work anywhere in the widget but in the search field and in menus. */
  anywhere(event: KeyboardEvent): void {
    const target = event.composedPath()[0] as HTMLElement;
    if (target instanceof HTMLInputElement || target.closest(".dag-menu") || event.ctrlKey || event.metaKey || event.altKey) return;
    const { w } = this, { m } = w;
    const name = w.selected ?? m.nodes[w.cursor]?.name;
    const act: { [key: string]: (() => void) | undefined } = {
      "/": () => w.focusSearch(), "1": () => w.setView("graph", true), "2": () => w.setView("list", true), "3": () => w.setView("timeline", true),
      "0": () => w.actions.act("fit"), "+": () => this.zoom(1.25), "=": () => this.zoom(1.25), "-": () => this.zoom(0.8), "−": () => this.zoom(0.8),
      R: () => w.actions.act("run"), p: () => w.actions.act(m.run.state === "running" ? "pause" : "resume"),
      r: name ? () => w.actions.onNode("run", name) : undefined, F: name ? () => w.actions.onNode("force", name) : undefined,
      g: name ? () => w.actions.onNode("cell", name) : undefined,
      d: name && w.told.get(name)?.next ? () => w.actions.onNode("debug", name) : undefined,
      n: () => this.next(1), N: () => this.next(-1), Escape: () => this.escape(),
    };
    if (act[event.key]) this.done(event, act[event.key]!);
  }

  /** Keys of the view itself. */
  inView(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act: { [key: string]: () => void } = {
      ArrowLeft: () => this.move(-1, 0), ArrowRight: () => this.move(1, 0), ArrowUp: () => this.move(0, -1), ArrowDown: () => this.move(0, 1),
      Home: () => this.end(false), End: () => this.end(true), Enter: () => this.open(), " ": () => this.fold(),
    };
    if (act[event.key]) this.done(event, act[event.key]);
  }

  private done(event: KeyboardEvent, act: () => void): void {
    event.preventDefault();
    event.stopPropagation();
    this.byKey = true;
    act();
  }

  private zoom(by: number): void {
    const { stage, view } = this.w;
    if (view === "graph") stage.zoomTo(stage.zoom * by);
  }

  /** One step back; twice quickly cancels a run. */
  private escape(): void {
    const { w } = this, now = performance.now();
    const twice = now - this.lastEscape < TWICE_MS;
    this.lastEscape = now;
    if (twice && w.m.live) return w.actions.act("cancel");
    if (w.selected !== null) {
      w.select(null);
      w.focusView();
    } else if (w.matched) w.clearFilter();
    else if (!w.m.live) w.root.closest<HTMLElement>(".jp-Notebook")?.focus();
  }

  private open(): void {
    const { w } = this, node = w.m.nodes[w.cursor];
    if (!node) return;
    const { c } = w.graph.place(w.cursor);
    if (w.view === "graph" && c >= 0 && w.graph.scene.deck.cards[c].node < 0 && w.graph.place(w.cursor).cell < 0) return w.graph.toggle(c);
    w.select(w.selected === node.name ? null : node.name);
  }

  private fold(): void {
    const { w } = this, { c } = w.graph.place(w.cursor);
    if (w.view !== "graph" || c < 0) return;
    const { node, members } = w.graph.scene.deck.cards[c];
    w.cursor = node >= 0 ? node : members[0];
    w.graph.toggle(c);
  }

  private set(node: number | undefined): void {
    const { w } = this;
    if (node === undefined || node < 0) return;
    w.cursor = node;
    if (w.selected !== null) w.select(w.m.nodes[node].name);
    const rect = w.view === "graph" ? w.graph.rectOf(node) : w.view === "list" ? w.list.rowRect(node) : w.timeline.barRect(node);
    if (rect) w.stage.reveal(rect);
    w.touch();
  }

  /** Nodes in the order of the view, as the unseen tree lists them. */
  order(): number[] {
    const { w } = this, { cards } = w.graph.scene.deck;
    if (w.view === "list") return w.list.rows;
    return cards.flatMap((card, c) => {
      const own = card.node >= 0 ? card.node : card.members[0];
      const unfold = w.graph.scene.unfolds.get(c);
      return unfold && w.graph.isOpen(c) ? [own, ...unfold.items.filter((_, k) => k % unfold.per === 0)] : [own];
    });
  }

  treeItem(order: number[], k: number): TreeItem {
    const { w } = this, node = order[k], { c, cell } = w.graph.place(node);
    const card = w.graph.scene.deck.cards[c];
    const whole = w.view === "graph" && card?.node === -1 && (k === 0 || w.graph.place(order[k - 1]).c !== c);
    const folds = w.view === "graph" && card && (card.node < 0 ? whole : w.m.kids.has(node));
    return {
      key: `${w.view} ${whole ? `group ${card.key}` : w.m.nodes[node].name}`, node, position: k + 1, of: order.length,
      text: whole ? `${card.title}, ${plural(card.members.length, "node")}` : undefined,
      level: (w.graph.scene.now.column[c] ?? 0) + 1 + (cell >= 0 ? 1 : 0), expanded: folds ? w.graph.isOpen(c) : undefined,
    };
  }

  private next(step: number): void {
    const { w } = this, { m } = w;
    const wanted = this.order().filter((i) => BAD.has(m.of(i)) || m.of(i) === "running" || (m.family(i)?.failed ?? 0) > 0);
    const at = wanted.indexOf(w.cursor);
    this.set(wanted[(at + step + wanted.length) % wanted.length]);
    w.focusView();
  }

  private end(last: boolean): void {
    const { w } = this, order = this.order();
    if (w.view !== "graph") return this.set(last ? order[order.length - 1] : order[0]);
    const { column, y } = w.graph.scene.now;
    const most = last ? Math.max(...column) : 0;
    const inColumn = column.map((c, k) => (c === most ? k : -1)).filter((k) => k >= 0).sort((a, b) => y[a] - y[b]);
    this.set(this.nodeOf(inColumn[0]));
  }

  private nodeOf(c: number | undefined): number | undefined {
    const card = c === undefined ? undefined : this.w.graph.scene.deck.cards[c];
    return card && (card.node >= 0 ? card.node : card.members[0]);
  }

  private move(dx: number, dy: number): void {
    const { w } = this;
    if (w.view === "timeline") return this.moveInTime(dx, dy);
    if (w.view === "list") {
      const at = w.list.rows.indexOf(w.cursor);
      return this.set(w.list.rows[Math.max(0, Math.min(w.list.rows.length - 1, at + dy + dx))]);
    }
    const { c, cell } = w.graph.place(w.cursor);
    if (c < 0) return this.set(this.order()[0]);
    if (this.moveInGrid(c, cell, dx, dy)) return;
    const { y, column, order, edges } = w.graph.scene.now;
    if (dy) return this.set(this.nodeOf(column.findIndex((k, i) => k === column[c] && order[i] === order[c] + dy)));
    const near = edges.flatMap(([a, b]) => (dx > 0 && a === c ? [b] : dx < 0 && b === c ? [a] : []));
    this.set(this.nodeOf(near.sort((a, b) => Math.abs(y[a] - y[c]) - Math.abs(y[b] - y[c]))[0]));
  }

  /** In an open card by cell; up from the first row to the card itself. */
  private moveInGrid(c: number, cell: number, dx: number, dy: number): boolean {
    const { w } = this, unfold = w.graph.scene.unfolds.get(c);
    if (!unfold || !w.graph.isOpen(c)) return false;
    if (cell < 0) {
      if (dy <= 0) return false;
      this.set(unfold.items[0]);
      return true;
    }
    const row = Math.floor(cell / unfold.columns), column = cell % unfold.columns;
    if (dy < 0 && row === 0) this.set(this.nodeOf(c));
    else if ((dx < 0 && column === 0) || (dx > 0 && column === unfold.columns - 1)) return false;
    else this.set(unfold.items[(cell + dx + dy * unfold.columns) * unfold.per]);
    return true;
  }

  private moveInTime(dx: number, dy: number): void {
    const { m } = this.w;
    const shown = m.nodes.map((_, i) => i).filter((i) => this.w.timeline.barRect(i));
    const from = shown.includes(this.w.cursor) ? this.w.cursor : shown[0];
    if (from === undefined || from !== this.w.cursor) return this.set(from);
    const lane = Math.max(0, m.lane[from]) + dy;
    const row = shown.filter((i) => Math.max(0, m.lane[i]) === lane).sort((a, b) => m.start[a] - m.start[b]);
    if (dx) return this.set(row[row.indexOf(from) + dx]);
    this.set(row.sort((a, b) => Math.abs(m.start[a] - m.start[from]) - Math.abs(m.start[b] - m.start[from]))[0]);
  }
}
