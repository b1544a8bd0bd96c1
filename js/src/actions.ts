// What the user can have done: wishes to the kernel, copies, and the items of the menu.

import { goTo } from "./cell";
import type { DetailAct } from "./details";
import { copy, mermaid, save, svg, trace } from "./export";
import type { Filter } from "./filter";
import { BAD } from "./glyphs";
import type { Act, MenuItem } from "./toolbar";
import type { Widget } from "./widget";

export class Actions {
  constructor(private readonly w: Widget) {}

  act(act: Act): void {
    const { m, control, graph, view } = this.w;
    if (act === "fit") return graph.fit(view === "graph");
    if (act === "interrupt") return control.interrupt();
    if (m.gone) return;
    if (act === "run" && !m.live) control.command({ t: "run", targets: this.retryTargets(), force: false });
    else if (act === "pause" && m.run.state === "running") control.command({ t: "pause" });
    else if (act === "resume" && m.live) control.command({ t: "resume" });
    else if (act === "cancel" && m.live) control.command({ t: "cancel" });
  }

  /** After a failure what failed and was skipped; otherwise all. */
  private retryTargets(): string[] {
    const { m } = this.w;
    if (m.run.state !== "failed") return [];
    return m.tops.filter((i) => BAD.has(m.of(i)) || m.of(i) === "skipped").map((i) => m.nodes[i].name);
  }

  onNode(act: DetailAct, name: string): void {
    const { w } = this, { m } = w, node = m.nodes[m.byName.get(name) ?? -1];
    if (act === "close") {
      w.select(null);
      w.focusView();
    } else if (act === "copy") void copy(name);
    else if (act === "debug") void copy(w.told.get(name)?.next ?? "");
    else if (act === "cell") node?.cellId && goTo(node.cellId);
    else if (!m.gone && !m.live) {
      const below = act === "retry" ? m.tops.filter((i) => m.of(i) === "skipped").map((i) => m.nodes[i].name) : [];
      const top = m.nodes[node?.parent ?? -1]?.name ?? name;
      w.control.command({ t: "run", targets: [top, ...below], force: act === "force" });
    }
  }

  menu(): MenuItem[] {
    const { w } = this, { filter, m } = w, none = w.selected === null;
    const only = (label: string, mode: Filter["only"], disabled = false): MenuItem => ({
      label, disabled, checked: filter.only === mode, act: () => w.setFilter({ only: filter.only === mode ? "" : mode, from: w.topSelected() }),
    });
    return [
      { label: "Tidy", act: () => w.graph.tidy() },
      { ...only("Only affected", "affected"), line: true }, only("Only failed", "failed"),
      only("Upstream of selection", "upstream", none && filter.only !== "upstream"), only("Downstream of selection", "downstream", none && filter.only !== "downstream"),
      { label: "Copy as Mermaid", act: () => void copy(mermaid(m)), line: true },
      { label: "Copy as SVG", act: () => void copy(svg(m, w.graph.scene, w.ruler)) },
      { label: "Save trace", act: () => save(`dagbook-run-${m.run.number}.json`, "application/json", trace(m)), disabled: w.timeline.empty },
    ];
  }
}
