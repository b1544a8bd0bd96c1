// The bottom of the widget: what the glyphs mean, how many of each, and a filter by them. One vocabulary for all three.

import { glyphIcon, h, roving, setText } from "./dom";
import type { LegendEntry } from "./facts";
import { grouped } from "./text";

export class Legend {
  readonly el = h("div", { class: "dag-foot", role: "toolbar", "aria-label": "States; each is a filter" });
  private readonly note = h("span", { class: "dag-note" });
  private readonly buttons = new Map<string, { el: HTMLButtonElement; text: HTMLElement; status: string }>();
  private order = "";
  private readonly settle: () => void;

  constructor(private readonly toggle: (key: string) => void) {
    this.el.append(this.note);
    this.settle = roving(this.el, "button");
  }

  update(entries: LegendEntry[], note: string, pressed: Set<string>): void {
    for (const entry of entries) {
      const button = this.buttons.get(entry.key) ?? this.add(entry);
      setText(button.text, `${grouped(entry.count)} ${entry.word}`);
      const title = `Show only: ${entry.word}`;
      if (button.el.title !== title) button.el.title = title;
      button.el.setAttribute("aria-pressed", String(pressed.has(entry.key)));
    }
    const order = entries.map((e) => e.key).join(" ");
    if (order !== this.order) {
      this.order = order;
      const focused = document.activeElement;
      this.el.replaceChildren(...entries.map((e) => this.buttons.get(e.key)!.el), this.note);
      if (focused instanceof HTMLElement && this.el.contains(focused)) focused.focus();
      this.settle();
    }
    setText(this.note, note);
  }

  private add(entry: LegendEntry) {
    const text = h("span");
    const el = h("button", { type: "button", "aria-pressed": "false", click: () => this.toggle(entry.key) }, glyphIcon(entry.status, entry.status === "running" ? 0.7 : undefined), text);
    const button = { el, text, status: entry.status };
    this.buttons.set(entry.key, button);
    return button;
  }
}
