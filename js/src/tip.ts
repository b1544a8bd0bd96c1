// The tooltip over a canvas: plain text, put where it hides nothing that it speaks of.

import { h } from "./dom";

export class Tip {
  private readonly el = h("div", { class: "dag-tip", hidden: true });
  private timer = 0;
  private key = "";

  constructor(private readonly box: HTMLElement) {
    box.append(this.el);
  }

  /** `busy` tells whether a place on the screen holds something that the tip must not cover. */
  show(head: string, lines: string[], at: DOMRect, delay: number, busy?: (place: DOMRect) => boolean): void {
    const key = [head, ...lines, Math.round(at.x), Math.round(at.y)].join("\n");
    if (key === this.key) return;
    this.key = key;
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      this.el.replaceChildren(h("b", null, head), ...lines.map((line) => h("div", null, line)));
      this.el.hidden = false;
      this.place(at, busy);
    }, this.el.hidden ? delay : 0);
  }

  private place(at: DOMRect, busy?: (place: DOMRect) => boolean): void {
    const box = this.box.getBoundingClientRect(), { offsetWidth: w, offsetHeight: h } = this.el;
    const free = busy && this.freePlace(at, w, h, box, busy);
    if (free) {
      this.el.style.left = `${free.x - box.left}px`;
      this.el.style.top = `${free.y - box.top}px`;
      return;
    }
    const left = Math.max(4, Math.min(at.left - box.left, box.width - w - 4));
    const below = at.bottom - box.top + 8, above = at.top - box.top - h - 8;
    this.el.style.left = `${left}px`;
    this.el.style.top = `${below + h <= box.height || above < 0 ? below : above}px`;
  }

  /** The free place nearest to the right of what is pointed at, else to the left. */
  private freePlace(at: DOMRect, w: number, h: number, box: DOMRect, busy: (place: DOMRect) => boolean): DOMRect | null {
    for (let far = 16; far < box.width; far += 8) {
      for (const x of [at.right + far, at.left - far - w]) {
        if (x < box.left + 4 || x + w > box.right - 4) continue;
        for (const y of [at.top, at.top - h / 2, at.bottom - h, at.top + 28, at.top - 28 - h / 2]) {
          const place = new DOMRect(x, y, w, h);
          if (y >= box.top + 4 && y + h <= box.bottom && !busy(place)) return place;
        }
      }
    }
    return null;
  }

  hide(): void {
    clearTimeout(this.timer);
    this.key = "";
    this.el.hidden = true;
  }

  dispose(): void {
    clearTimeout(this.timer);
  }
}
