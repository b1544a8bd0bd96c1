// The graph for keyboards and screen readers: an unseen tree beside the canvas, holding the rows around the current one.

import { h, setText } from "./dom";
import { spoken } from "./facts";
import type { GraphModel } from "./model";

const AROUND = 40;
let count = 0;

export interface TreeItem { key: string; node: number; text?: string; level: number; expanded?: boolean; position: number; of: number }

export class Tree {
  readonly el: HTMLElement;
  private readonly id = `dagbook-tree-${++count}`;
  private readonly items = new Map<string, HTMLElement>();
  private last = -Infinity;
  private current: string | null = null;

  constructor(private readonly m: GraphModel, on: { key(event: KeyboardEvent): void; focus(has: boolean): void }) {
    this.el = h("ul", {
      class: "dag-vh dag-tree", role: "tree", tabindex: 0, "aria-label": "Nodes",
      keydown: (e: KeyboardEvent) => on.key(e), focus: () => on.focus(true), blur: () => on.focus(false),
    });
  }

  /** Shows the items around the current one. Texts of a running graph change at most twice a second. */
  update(total: number, at: number, item: (k: number) => TreeItem, label: string): void {
    const now = performance.now(), current = at >= 0 ? item(at).key : null;
    if (now - this.last < 500 && current === this.current) return;
    this.last = now;
    this.current = current;
    this.el.setAttribute("aria-label", label);
    const first = Math.max(0, at - AROUND);
    const shown = Array.from({ length: Math.min(total, Math.max(0, at) + AROUND) - first }, (_, k) => item(first + k));
    const keys = new Set(shown.map((item) => item.key));
    for (const [key, el] of this.items) {
      if (keys.has(key)) continue;
      el.remove();
      this.items.delete(key);
    }
    shown.forEach((item, k) => {
      const el = this.items.get(item.key) ?? this.add(item.key);
      setText(el, item.text ?? spoken(this.m, item.node));
      el.setAttribute("aria-level", String(item.level));
      el.setAttribute("aria-setsize", String(item.of));
      el.setAttribute("aria-posinset", String(item.position));
      el.setAttribute("aria-selected", String(item.key === current));
      if (item.expanded === undefined) el.removeAttribute("aria-expanded"); else el.setAttribute("aria-expanded", String(item.expanded));
      if (this.el.children[k] !== el) this.el.insertBefore(el, this.el.children[k] ?? null);
    });
    const id = this.idOf(current);
    if (id) this.el.setAttribute("aria-activedescendant", id); else this.el.removeAttribute("aria-activedescendant");
  }

  private idOf(key: string | null): string | null {
    return (key !== null && this.items.get(key)?.id) || null;
  }

  private add(key: string): HTMLElement {
    const el = h("li", { role: "treeitem", id: `${this.id}-${++count}` });
    this.items.set(key, el);
    return el;
  }
}
