// The whole widget: takes what the kernel tells, keeps what the user has chosen, and shows both.

import { Actions } from "./actions";
import { canGoTo } from "./cell";
import { Control, type Host } from "./control";
import { Details } from "./details";
import { h, reducedMotion } from "./dom";
import { footnote, legend, summary } from "./facts";
import { matcher, noFilter, type Filter } from "./filter";
import { GraphPicture } from "./graph";
import { hookFor } from "./hook";
import { Keyboard } from "./keyboard";
import { Legend } from "./legend";
import { ListPicture } from "./list";
import { GraphModel, type Bytes } from "./model";
import { Ruler } from "./pen";
import type { Detail, FromKernel, Saved } from "./protocol";
import { grouped } from "./text";
import { advice, busyShare, TimelinePicture } from "./timeline";
import { Tip } from "./tip";
import { applyTheme, readTheme, watchTheme, type Theme } from "./tokens";
import { Toolbar, type View } from "./toolbar";
import { Tree } from "./tree";
import { Stage } from "./view";

/** How long after the view lost the focus it may be given back when the view moves. */
const FOCUS_MS = 300;
const NARROW = 480, MEDIUM = 640, MANY = 10_000, TICK_MS = 100;
/** Above so many nodes toolbar, legend and tree are brought up to date only so often; the picture always is. */
const LARGE = 2000, LARGE_MS = 200;

export class Widget {
  readonly root = h("div", { class: "dagbook", role: "region", "aria-label": "dagbook graph", "data-lm-suppress-shortcuts": "true" });
  readonly m = new GraphModel();
  readonly stage: Stage;
  readonly graph: GraphPicture;
  readonly list: ListPicture;
  readonly timeline: TimelinePicture;
  readonly control: Control;
  view: View = "graph";
  filter: Filter = noFilter();
  /** By name, because numbers may change with a snapshot. */
  selected: string | null = null;
  /** The node under the keyboard and under the pointer. */
  cursor = -1;
  hover = -1;
  matched: ((i: number) => boolean) | null = null;
  theme: Theme;
  readonly ruler: Ruler;
  private chosen = false;
  /** Details that the kernel has told, by name. */
  readonly told = new Map<string, Detail>();
  readonly actions = new Actions(this);
  private asked = "";
  /** The picture has come by a message. */
  private spoken = false;
  private focused = false;
  private leftAt = -Infinity;
  private frame = 0;
  private waiting = 0;
  private refreshed = -Infinity;
  private ticker = 0;
  private spin = 0;
  private readonly toolbar: Toolbar;
  private readonly legend: Legend;
  private readonly details: Details;
  private readonly tree: Tree;
  private readonly tip: Tip;
  private readonly keyboard: Keyboard;
  private readonly empty = h("div", { class: "dag-empty", hidden: true });
  private readonly under = h("div", { class: "dag-under", hidden: true });
  private readonly stageBox = h("div", { class: "dag-stage" });
  private readonly cleanup: (() => void)[] = [];
  private readonly silence: (() => void)[] = [];

  constructor(private host: Host, private el: HTMLElement) {
    this.theme = readTheme(el);
    this.ruler = new Ruler(this.theme.font);
    this.graph = new GraphPicture(this);
    this.list = new ListPicture(this.m, () => this.look());
    this.timeline = new TimelinePicture(this.m, () => this.look());
    this.keyboard = new Keyboard(this);
    this.stage = new Stage(this.ruler, {
      beforeDraw: (now) => this.beforeDraw(now),
      pointer: (kind, x, y) => this.pointer(kind, x, y),
      zoomed: () => this.graph.userZoomed(),
    });
    this.tip = new Tip(this.stageBox);
    this.toolbar = new Toolbar({
      act: (act) => this.actions.act(act), view: (view) => this.setView(view, true), menu: () => this.actions.menu(), leave: () => this.focusView(),
      search: (text) => this.setFilter({ text }),
    });
    this.legend = new Legend((key) => this.toggleState(key));
    this.details = new Details(this.m, {
      act: (act, name) => this.actions.onNode(act, name), select: (name) => this.select(name), canGo: (i) => canGoTo(this.m.nodes[i].cellId),
    });
    this.tree = new Tree(this.m, { key: (event) => this.keyboard.inView(event), focus: (has) => this.onFocus(has) });
    this.control = new Control(host, () => this.el.closest(".jupyter-widgets-disconnected") !== null, () => this.connection(), (message) => this.receive(message, []));
    this.stage.scroller.prepend(this.tree.el);
    this.stageBox.append(this.stage.scroller, this.empty, this.under);
    this.root.append(h("div", { class: "dag-frame" }, this.toolbar.el, this.toolbar.progress, this.stageBox, this.details.el, this.legend.el));
    this.root.addEventListener("keydown", (event) => this.keyboard.anywhere(event));
    Object.assign(this.root, { __dagbook: hookFor(this) });
  }

  /** Begins when the root is in the page. */
  start(): void {
    this.retheme();
    this.listen();
    this.cleanup.push(watchTheme(() => this.retheme()));
    const resized = new ResizeObserver(() => this.resized());
    resized.observe(this.root);
    this.cleanup.push(() => resized.disconnect());
    this.restore();
    this.setView(this.naturalView());
    this.control.hello();
    this.touch();
  }

  /** Hears the model; each view of it has a host of its own, which falls silent with that view. */
  private listen(): void {
    const message = (content: FromKernel, buffers?: Bytes[]) => this.receive(content, buffers ?? []);
    let queued = false;
    const traits = () => {
      if (queued) return;
      queued = true;
      queueMicrotask(() => { queued = false; this.restore(); });
    };
    const live = () => setTimeout(this.control.check);
    const { host } = this;
    const on = (name: string, call: (...args: never[]) => void) => {
      host.on(name, call);
      this.silence.push(() => host.off(name, call));
    };
    on("msg:custom", message as never);
    for (const name of ["snapshot", "status", "times"]) on(`change:${name}`, traits);
    on("comm_live_update", live as never);
  }

  /** Goes on in another place of the page, with all that the user has chosen. */
  move(el: HTMLElement, host: Host): void {
    const { scrollLeft, scrollTop } = this.stage.scroller;
    this.silence.splice(0).forEach((end) => end());
    this.host = this.control.host = host;
    this.listen();
    this.el = el;
    el.append(this.root);
    this.stage.scroller.scrollTo(scrollLeft, scrollTop);
    // Keys must not go to the notebook because an element was replaced under the user's hands.
    const lost = performance.now() - this.leftAt < FOCUS_MS && document.activeElement === document.body;
    if (this.focused || lost) this.focusView();
    this.control.hello();
    this.touch();
  }

  dispose(): void {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.waiting);
    clearInterval(this.ticker);
    this.silence.forEach((end) => end());
    this.cleanup.forEach((end) => end());
    this.control.dispose();
    this.toolbar.dispose();
    this.tip.dispose();
    this.stage.dispose();
    this.root.remove();
  }

  // ---- from the kernel ----

  private restore(): void {
    const raw = this.host.get("snapshot");
    if (!raw) return;
    const saved = (typeof raw === "string" ? JSON.parse(raw) : raw) as Saved;
    // What came by messages is never older, and fuller, than what is kept for pages without a kernel.
    if (!saved.doc || (this.spoken && saved.seq <= this.m.seq)) return;
    this.m.restore(saved, this.host.get("status") as Bytes, this.host.get("times") as Bytes);
    this.touch();
  }

  private receive(message: FromKernel, buffers: Bytes[]): void {
    this.control.received(message);
    if (message.t === "snap" || message.t === "ev") this.spoken = true;
    if (message.t === "snap") this.m.restore(message, buffers[0], buffers[1]);
    else if (message.t === "ev" && !this.m.apply(message, buffers[0])) this.control.send({ t: "resync", seq: this.m.seq });
    else if (message.t === "detail") for (const d of [message.detail, ...(message.more ?? [])]) this.told.set(d.node, d);
    this.settlePending();
    this.touch();
  }

  /** A command is done when the run's state shows it. */
  private settlePending(): void {
    const { pending } = this.control, { state } = this.m.run;
    if (!pending) return;
    const effect = {
      cancel: !this.m.live || state === "cancelling", pause: state !== "running", resume: state === "running" || !this.m.live, run: this.m.live,
    }[pending.command];
    if (effect || (pending.command === "run" && pending.stage === "heard")) this.control.settle();
  }

  private connection(): void {
    if (this.m.gone !== this.control.gone) {
      this.m.gone = this.control.gone;
      this.m.touched();
    }
    this.touch();
  }

  // ---- showing ----

  look() {
    return {
      colors: this.theme.colors, ruler: this.ruler, turn: this.spin, matched: this.matched, search: this.filter.text,
      selected: this.selectedIndex, hover: this.hover, cursor: this.focused && this.keyboard.byKey ? this.cursor : -1,
    };
  }

  get selectedIndex(): number {
    return this.selected === null ? -1 : this.m.byName.get(this.selected) ?? -1;
  }

  /** Something has changed: everything is brought up to date once, before the next picture. */
  touch(): void {
    if (this.frame || this.waiting) return;
    const wait = this.m.n > LARGE ? this.refreshed + LARGE_MS - performance.now() : 0;
    if (wait > 0) {
      this.stage.invalidate();
      this.waiting = window.setTimeout(() => {
        this.waiting = 0;
        this.touch();
      }, wait);
      return;
    }
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.refresh();
      this.refreshed = performance.now();
    });
  }

  private refresh(): void {
    const { m } = this;
    this.matched = matcher(m, this.filter);
    this.graph.refresh();
    if (this.view === "list") this.list.refresh(this.matched);
    this.toolbar.update(m, { view: this.view, narrow: this.root.clientWidth < MEDIUM, pending: this.control.pending, canInterrupt: this.control.canInterrupt });
    this.legend.update(legend(m), this.note(), this.filter.states);
    this.showDetails();
    this.showEmpty();
    this.showUnder();
    const keys = this.keyboard.order();
    this.tree.update(keys.length, keys.indexOf(this.cursor), (k) => this.keyboard.treeItem(keys, k), summary(m));
    this.stage.canvas.setAttribute("aria-label", summary(m));
    if (m.live && !this.ticker) this.ticker = window.setInterval(() => this.tick(), TICK_MS);
    if (!m.live && this.ticker) {
      clearInterval(this.ticker);
      this.ticker = 0;
    }
    this.stage.invalidate();
  }

  private tickCount = 0;
  /** The clock of a running graph: times on cards ten times a second, the rest twice. */
  private tick(): void {
    if (document.hidden) return;
    if (++this.tickCount % 5 === 0) this.touch();
    else this.stage.invalidate();
    if (this.view === "graph") this.graph.followRunning();
  }

  private beforeDraw(now: number): boolean {
    const spinning = this.m.live && this.m.tops.some((i) => this.m.of(i) === "running" && this.m.share(i) === undefined) && !reducedMotion();
    this.spin = spinning ? ((now / 1600) * 2 * Math.PI) % (2 * Math.PI) : 0;
    const moving = this.view === "graph" && this.graph.beforeDraw(now);
    return moving || spinning;
  }

  private note(): string {
    const { m } = this;
    const all = m.tops.length;
    if (this.matched) {
      const hits = m.tops.filter(this.matched).length;
      const by = this.view === "graph" && this.graph.scene.deck.grouped;
      return `${grouped(hits)} of ${grouped(all)} nodes match${by ? `, grouped by ${by}` : ""}`;
    }
    if (this.view === "timeline" && !m.live && !m.gone && m.run.number && !this.timeline.empty) {
      return `run ${m.run.number}, ${m.run.workers} worker${m.run.workers === 1 ? "" : "s"}, ${Math.round(100 * busyShare(m))} % busy`;
    }
    return footnote(m);
  }

  private showDetails(): void {
    const i = this.selectedIndex;
    if (i < 0) return this.details.hide();
    const ask = `${this.selected} ${this.m.of(i)} ${this.m.run.number} ${this.m.run.state}`;
    if (ask !== this.asked && !this.m.gone) {
      this.asked = ask;
      this.control.send({ t: "select", node: this.selected! });
    }
    this.details.show(i, this.told.get(this.selected!) ?? null, this.m.live);
  }

  private showEmpty(): void {
    const { m } = this;
    const nothing = !m.n ? [document.createTextNode("No nodes yet. Start a cell with %%dag")]
      : this.view === "timeline" && this.timeline.empty ? [document.createTextNode("No run to show yet")]
      : this.matched && !m.tops.some(this.matched) && (this.view === "list" || this.filter.text)
        ? [h("span", null, this.filter.text ? `No node matches “${this.filter.text}”. ` : "No node matches. "), h("button", { type: "button", click: () => this.clearFilter() }, "Clear filter")]
        : null;
    const key = nothing?.map((n) => n.textContent).join("") ?? "";
    if (this.empty.textContent !== key) this.empty.replaceChildren(...(nothing ?? []));
    this.empty.hidden = !nothing;
    this.stage.scroller.style.display = nothing && (this.view !== "graph" || !m.n) ? "none" : "";
  }

  private showUnder(): void {
    const said = this.view === "timeline" && !this.m.live ? advice(this.m) : [];
    this.under.hidden = !said.length;
    const text = said.map((p) => p.text).join("");
    if (said.length && this.under.textContent !== text) this.under.replaceChildren(...said.map((p) => (p.strong ? h("b", null, p.text) : document.createTextNode(p.text))));
  }

  private retheme(): void {
    const theme = readTheme(this.root);
    if (this.root.style.length && JSON.stringify(theme) === JSON.stringify(this.theme)) return;
    if (theme.font !== this.theme.font) this.ruler.restart(theme.font);
    this.theme = theme;
    applyTheme(this.root, theme);
    this.stage.invalidate();
  }

  // ---- views ----

  get narrow(): boolean {
    return this.root.clientWidth > 0 && this.root.clientWidth < NARROW;
  }

  private naturalView(): View {
    return this.narrow || this.m.tops.length >= MANY ? "list" : "graph";
  }

  private resized(): void {
    if (!this.chosen && this.view !== this.naturalView()) this.setView(this.naturalView());
    this.touch();
  }

  setView(view: View, byUser = false): void {
    this.chosen ||= byUser;
    this.view = view;
    this.hover = -1;
    this.timeline.hoverX = -1;
    this.tip.hide();
    if (view === "list" && this.m.tops.length >= MANY && this.m.live && !byUser) this.filter.only = "affected";
    if (view === "list") this.list.refresh(matcher(this.m, this.filter));
    this.stage.show({ graph: this.graph, list: this.list, timeline: this.timeline }[view]);
    if (view === "graph") this.graph.shown();
    this.touch();
  }

  setFilter(change: Partial<Filter>): void {
    Object.assign(this.filter, change);
    this.touch();
  }

  clearFilter(): void {
    this.filter = noFilter();
    this.toolbar.clearSearch();
    this.touch();
  }

  private toggleState(key: string): void {
    if (!this.filter.states.delete(key)) this.filter.states.add(key);
    this.touch();
  }

  /** Selects a node and opens its details. */
  select(name: string | null): void {
    if (name === this.selected) return;
    this.selected = name;
    if (name === null) this.asked = "";
    else this.cursor = this.selectedIndex;
    if (this.filter.only === "upstream" || this.filter.only === "downstream") this.filter.from = this.topSelected();
    this.touch();
  }

  topSelected(): number | null {
    const i = this.selectedIndex;
    return i < 0 ? null : this.m.nodes[i].parent ?? i;
  }

  // ---- pointer and focus ----

  private pointer(kind: "move" | "leave" | "click", x: number, y: number): void {
    if (kind === "click") {
      this.keyboard.byKey = false;
      this.focusView();
    }
    if (this.view === "graph") this.graph.pointer(kind, x, y, this.tip);
    else if (this.view === "list") this.listPointer(kind, y);
    else this.timelinePointer(kind, x, y);
  }

  private listPointer(kind: string, y: number): void {
    const node = kind === "leave" ? -1 : this.list.at(y);
    if (kind === "click" && node >= 0) this.select(this.m.nodes[node].name === this.selected ? null : this.m.nodes[node].name);
    this.setHover(node);
  }

  private timelinePointer(kind: string, x: number, y: number): void {
    const bar = kind === "leave" ? null : this.timeline.at(x, y);
    this.timeline.hoverX = kind === "leave" ? -1 : x;
    if (kind === "click" && bar) this.select(this.m.nodes[bar.node].name);
    this.setHover(bar?.node ?? -1);
    const rect = bar && this.timeline.barRect(bar.node);
    if (bar && rect) {
      const [first, ...rest] = this.timeline.tip(bar);
      this.tip.show(first, rest, this.stage.onScreen(rect), 0, (place) => this.timeline.covers(this.stage.fromScreen(place)));
    } else this.tip.hide();
    this.stage.invalidate();
  }

  setHover(node: number): void {
    if (node === this.hover) return;
    this.hover = node;
    this.stage.invalidate();
  }

  focusView(): void {
    this.tree.el.focus({ preventScroll: true });
  }

  focusSearch(): void {
    this.toolbar.focusSearch();
  }

  private onFocus(has: boolean): void {
    this.focused = has;
    if (!has) this.leftAt = performance.now();
    if (has && this.cursor < 0) this.cursor = this.keyboard.order()[0] ?? -1;
    this.touch();
  }
}
