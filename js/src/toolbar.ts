// The top of the widget: act, read, look, in reading order; and the line of progress under it.

import type { Pending } from "./control";
import { h, icon, iconButton, roving, setText } from "./dom";
import { progress, sentence, type Said } from "./facts";
import { BAD, type Icon } from "./glyphs";
import type { GraphModel } from "./model";

export type View = "graph" | "list" | "timeline";
export type Act = "run" | "pause" | "resume" | "cancel" | "interrupt" | "fit";
export interface MenuItem { label: string; act(): void; checked?: boolean; disabled?: boolean; line?: boolean }

const VIEWS: [View, string, Icon][] = [["graph", "Graph", "graph"], ["list", "List", "list"], ["timeline", "Timeline", "timeline"]];

export class Toolbar {
  readonly el: HTMLElement;
  readonly progress = h("div", { class: "dag-prog", role: "progressbar", "aria-label": "Run progress by expected time", "aria-valuemin": 0, "aria-valuemax": 100 });
  readonly input: HTMLInputElement;
  private readonly actions = h("span", { style: "display:contents" });
  private readonly say = h("div", { class: "dag-say", "aria-hidden": "true" });
  private readonly spoken = h("div", { class: "dag-vh", role: "status", "aria-live": "polite" });
  private readonly tabs: HTMLButtonElement[];
  private readonly find: HTMLElement;
  private readonly more: HTMLButtonElement;
  private menu: HTMLElement | null = null;
  private drawn = "";
  private said = "";
  private lastSpoken = -Infinity;
  private readonly settle: () => void;

  constructor(private readonly on: { act(act: Act): void; view(view: View): void; search(text: string): void; menu(): MenuItem[]; leave(): void }) {
    this.input = h("input", { type: "text", placeholder: "Filter", "aria-label": "Filter nodes by name", spellcheck: "false", input: () => this.search(), keydown: (e: KeyboardEvent) => this.inSearch(e) });
    this.find = h("label", { class: "dag-find", title: "Filter nodes by name (/)" }, icon("find"), this.input);
    this.tabs = VIEWS.map(([view, name, pic], i) =>
      h("button", { type: "button", role: "tab", title: `${name} (${i + 1})`, "aria-label": name, click: () => on.view(view) }, h("span", null, name), icon(pic)));
    const open = iconButton("find", "Filter nodes by name (/)", () => this.focusSearch());
    open.classList.add("dag-find-open");
    const fit = iconButton("fit", "Fit to width (0)", () => on.act("fit"));
    fit.classList.add("dag-fit");
    this.more = iconButton("more", "More: tidy, filters, copy, save", () => this.toggleMenu());
    this.more.setAttribute("aria-haspopup", "menu");
    this.more.setAttribute("aria-expanded", "false");
    this.el = h("div", { class: "dag-bar", role: "toolbar", "aria-label": "Run and view" },
      this.actions, this.say, this.spoken, h("span", { class: "dag-sp" }), open, this.find, h("div", { class: "dag-tabs", role: "tablist" }, this.tabs), fit, this.more);
    this.settle = roving(this.el, ":scope > button, :scope > span > button, .dag-say button, .dag-tabs button, input");
  }

  private search(): void {
    this.find.classList.toggle("on", this.input.value !== "");
    this.on.search(this.input.value);
  }

  private inSearch(event: KeyboardEvent): void {
    if (event.key === "Escape") {
      if (this.input.value) this.clearSearch(); else this.on.leave();
      this.el.classList.remove("finding");
      event.stopPropagation();
    } else if (event.key === "Enter") {
      this.on.leave();
      event.stopPropagation();
    }
  }

  clearSearch(): void {
    this.input.value = "";
    this.search();
  }

  focusSearch(): void {
    this.el.classList.add("finding");
    this.input.focus();
    this.input.select();
  }

  update(m: GraphModel, state: { view: View; narrow: boolean; pending: Pending | null; canInterrupt: boolean }): void {
    this.updateActions(m, state.pending);
    this.updateSentence(m, state);
    this.tabs.forEach((tab, i) => tab.setAttribute("aria-selected", String(VIEWS[i][0] === state.view)));
    this.updateProgress(m);
  }

  private updateActions(m: GraphModel, pending: Pending | null): void {
    const failed = m.tops.filter((i) => BAD.has(m.of(i)) || m.of(i) === "skipped").length;
    const retry = m.run.state === "failed" && failed ? `Retry ${failed}` : "Run";
    const paused = m.run.state === "paused" || m.run.state === "pausing";
    const cancelling = m.run.state === "cancelling" || pending?.command === "cancel";
    const key = m.live ? `live ${paused} ${cancelling}` : `${retry} ${m.gone} ${pending?.command === "run"} ${m.n > 0}`;
    if (key === this.drawn) return;
    this.drawn = key;
    const had = this.actions.contains(document.activeElement);
    if (m.live) {
      const hold = paused ? iconButton("play", "Resume (p)", () => this.on.act("resume")) : iconButton("pause", "Pause: start nothing new (p)", () => this.on.act("pause"));
      const stop = iconButton("stop", "Cancel the run (Esc twice)", () => this.on.act("cancel"));
      hold.disabled = stop.disabled = cancelling;
      this.actions.replaceChildren(hold, stop);
    } else {
      const label = m.gone ? "No kernel: run the cell again" : retry === "Run" ? "Run what is out of date (Shift+R)" : "Run failed and skipped again (Shift+R)";
      const run = h("button", { type: "button", class: "dag-b dag-pri", title: label, click: () => this.on.act("run") }, icon("play"), retry);
      run.disabled = m.gone || !m.n || pending?.command === "run";
      this.actions.replaceChildren(run);
    }
    this.settle();
    if (had) this.actions.querySelector<HTMLElement>("button:not(:disabled)")?.focus();
  }

  private updateSentence(m: GraphModel, { pending, canInterrupt, narrow }: { pending: Pending | null; canInterrupt: boolean; narrow: boolean }): void {
    const parts = this.sentence(m, pending, narrow, canInterrupt);
    const silent = pending?.stage === "silent" && pending.command !== "run";
    const key = JSON.stringify([parts, silent && canInterrupt]);
    if (key === this.said) return;
    this.said = key;
    this.say.replaceChildren(...parts.map((p) => (p.strong ? h("b", null, p.text) : document.createTextNode(p.text))));
    this.say.title = this.say.textContent ?? "";
    this.say.setAttribute("aria-hidden", String(!(silent && canInterrupt)));
    if (silent && canInterrupt) this.say.append(h("button", { type: "button", click: () => this.on.act("interrupt") }, "Interrupt kernel"));
    this.settle();
    this.speak(m, parts);
  }

  private sentence(m: GraphModel, pending: Pending | null, narrow: boolean, canInterrupt: boolean): Said[] {
    if (pending?.stage === "silent") {
      return pending.command === "run" ? [{ text: "Waiting for the kernel", strong: true }] : [{ text: "No answer.", strong: true }, { text: canInterrupt ? " " : " Interrupt the kernel from the menu." }];
    }
    if (pending?.command === "cancel") return [{ text: "Cancelling…", strong: true }];
    if (pending?.command === "pause" && m.run.state === "running") {
      return [{ text: "Pausing:", strong: true }, { text: ` ${m.tops.filter((i) => m.of(i) === "running").length} still running` }];
    }
    return sentence(m, narrow);
  }

  /** At most one announcement in 2 s, the ticking time each 30 s; what failed at once. */
  private speak(m: GraphModel, parts: Said[]): void {
    const text = parts.map((p) => p.text).join("");
    const failed = m.tops.some((i) => BAD.has(m.of(i)));
    const now = performance.now(), wait = m.run.state === "running" && !failed ? 30_000 : failed ? 0 : 2000;
    const steady = text.replace(/\d+:\d\d/g, "");
    if (now - this.lastSpoken < wait || steady === this.spoken.dataset.steady && now - this.lastSpoken < 30_000) return;
    this.lastSpoken = now;
    this.spoken.dataset.steady = steady;
    setText(this.spoken, text);
  }

  private updateProgress(m: GraphModel): void {
    this.progress.classList.toggle("on", m.live);
    if (!m.live) {
      if (this.progress.firstChild) this.progress.replaceChildren();
      this.progress.removeAttribute("aria-valuenow");
      return;
    }
    const { done, failed } = progress(m);
    if (this.progress.childElementCount !== 2) {
      this.progress.replaceChildren(h("i", { style: "background:var(--dag-run)" }), h("i", { style: "background:var(--dag-fail)" }));
    }
    const [ran, bad] = this.progress.children as unknown as HTMLElement[];
    ran.style.width = `${(100 * done).toFixed(1)}%`;
    bad.style.width = failed ? `${Math.max(1, 100 * failed).toFixed(1)}%` : "0";
    this.progress.setAttribute("aria-valuenow", String(Math.round(100 * (done + failed))));
  }

  // ---- the menu ----

  private toggleMenu(): void {
    if (this.menu) return this.closeMenu(true);
    const items = this.on.menu().map((item) => [
      item.line ? h("hr", null) : null,
      h("button", {
        type: "button", role: item.checked === undefined ? "menuitem" : "menuitemcheckbox", tabindex: -1, disabled: Boolean(item.disabled),
        "aria-checked": item.checked === undefined ? null : String(item.checked),
        click: () => { this.closeMenu(true); item.act(); },
      }, icon("check"), item.label),
    ]);
    this.menu = h("div", { class: "dag-menu", role: "menu", keydown: (e: KeyboardEvent) => this.inMenu(e) }, items.flat());
    this.el.append(this.menu);
    this.more.setAttribute("aria-expanded", "true");
    this.menu.querySelector<HTMLElement>("button:not(:disabled)")?.focus();
    document.addEventListener("pointerdown", this.outside, true);
  }

  private inMenu(event: KeyboardEvent): void {
    const items = [...this.menu!.querySelectorAll<HTMLElement>("button:not(:disabled)")];
    const at = items.indexOf(document.activeElement as HTMLElement);
    const go = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[event.key];
    if (go !== undefined) items[go % items.length].focus();
    else if (event.key === "Escape" || event.key === "Tab") this.closeMenu(event.key === "Escape");
    else return;
    event.stopPropagation();
    if (event.key !== "Tab") event.preventDefault();
  }

  private outside = (event: Event): void => {
    const path = event.composedPath();
    if (!path.includes(this.menu!) && !path.includes(this.more)) this.closeMenu(false);
  };

  private closeMenu(focus: boolean): void {
    this.menu?.remove();
    this.menu = null;
    this.more.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", this.outside, true);
    if (focus) this.more.focus();
  }

  dispose(): void {
    document.removeEventListener("pointerdown", this.outside, true);
  }
}
