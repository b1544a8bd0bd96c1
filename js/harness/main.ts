// Shows the widget with recorded states: ?state=running&theme=dark&width=420&still=1

import type { Host } from "../src/control";
import graph from "../src/index";
import line from "../src/oneline";
import "../src/widget.css";
import { STATES, type State } from "./states";

const query = new URLSearchParams(location.search);
const name = query.get("state") ?? "running";
const width = Number(query.get("width") ?? (name === "narrow" ? 420 : 0));
document.body.dataset.jpThemeLight = String(query.get("theme") !== "dark");
if (query.has("still")) {
  const still = performance.now();
  performance.now = () => still;
}

/** A widget model without a kernel behind it, but with one that answers as told. */
export class FakeHost implements Host {
  readonly sent: unknown[] = [];
  private readonly calls = new Map<string, Set<(...args: unknown[]) => void>>();
  constructor(readonly traits: { [name: string]: unknown }, readonly answer: (message: { t: string; node?: string }) => unknown[], readonly widget_manager?: unknown) {}
  get(trait: string) { return this.traits[trait]; }
  on(event: string, call: (...args: never[]) => void) { this.calls.set(event, (this.calls.get(event) ?? new Set()).add(call as never)); }
  off(event: string, call: (...args: never[]) => void) { this.calls.get(event)?.delete(call as never); }
  emit(event: string, ...args: unknown[]) { this.calls.get(event)?.forEach((call) => call(...args)); }
  send(content: unknown) {
    this.sent.push(content);
    for (const reply of this.answer(content as { t: string })) queueMicrotask(() => this.emit("msg:custom", reply, []));
  }
}

function hostFor(state: State, kind: string): FakeHost {
  const bytes = (a: ArrayBufferView) => new DataView(a.buffer);
  return new FakeHost(
    { kind, snapshot: state.saved, status: bytes(state.status), times: bytes(state.times), line: state.line },
    (message) => state.gone ? [] : message.t === "select" && state.details?.[message.node!] ? [{ t: "detail", detail: state.details[message.node!] }] : query.has("deaf") && message.t !== "hello" ? [] : [{ t: "ack", of: message.t }],
    state.gone ? { kernel: null } : undefined,
  );
}

type Hook = HTMLElement & { __dagbook: { state(): { [k: string]: unknown }; cards(): { name: string; x: number; y: number; width: number; height: number }[] } };
const frames = (n: number) => new Promise<void>((done) => { const next = () => (n-- ? requestAnimationFrame(next) : done()); next(); });
const card = (root: Hook, label: string) => root.__dagbook.cards().find((c) => c.name === label)!;

function point(root: Hook, type: string, label: string, share = 0.5, up = 0) {
  const c = card(root, label);
  root.querySelector("canvas")!.dispatchEvent(new PointerEvent(type, { clientX: c.x + c.width * share, clientY: up ? c.y + up : c.y + c.height / 2, bubbles: true }));
}

for (let cell = 1; cell < 10; cell++) document.body.append(Object.assign(document.createElement("i"), { id: `cell-id=cell-${cell}` }));

async function show() {
  const state = (STATES[name] ?? STATES.running)();
  const outs = (state.line ? ["line", "graph"] : ["graph"]).map((kind) => {
    const el = document.createElement("div");
    el.className = "out";
    if (width) el.style.width = `${width}px`;
    document.body.append(el);
    const host = hostFor(state, kind);
    const began = performance.now();
    (kind === "line" ? line : graph).render({ model: host, el });
    return { el, host, began };
  });
  const { el, host, began } = outs[outs.length - 1];
  const root = el.querySelector(".dagbook") as Hook;
  await frames(1);
  Object.assign(window, { root, host, first: performance.now() - began });
  await frames(3);
  const view = query.get("view") ?? state.view;
  if (view) root.querySelector<HTMLElement>(`[role=tab][title^="${view[0].toUpperCase()}${view.slice(1)}"]`)!.click();
  await frames(3);
  if (state.filter) {
    const input = root.querySelector("input")!;
    input.value = state.filter;
    input.dispatchEvent(new Event("input"));
  }
  const chosen = state.unfold ?? state.select;
  if (chosen) point(root, "click", chosen, 0.5, 12);
  await frames(3);
  if (state.hover) point(root, "pointermove", state.hover, 0.6);
  Object.assign(window, { ready: true });
}

void show();
