// The graph as Mermaid, as SVG, as a Chrome trace: for pages and tools that are not this one.

import { cardStatus } from "./cards";
import { drawGraph } from "./draw";
import { WORD } from "./glyphs";
import type { GraphModel } from "./model";
import { SvgPen, type Ruler } from "./pen";
import type { Scene } from "./scene";
import { summary } from "./facts";
import { barsOf } from "./timeline";
import { plain } from "./text";
import { PAPER } from "./tokens";

/** Mermaid reads quotes and markup in labels, so they travel as its character codes. */
const label = (name: string) => plain(name).replace(/[^\w \-.,:/()]/gu, (c) => `#${c.codePointAt(0)};`);

export function mermaid(m: GraphModel): string {
  const lines = ["flowchart LR"];
  for (const i of m.tops) lines.push(m.nodes[i].mapped || m.kids.has(i) ? `  n${i}[["${label(m.nodes[i].name)}"]]` : `  n${i}["${label(m.nodes[i].name)}"]`);
  for (const [a, b] of m.edges) if (m.nodes[a].parent === undefined && m.nodes[b].parent === undefined) lines.push(`  n${a} --> n${b}`);
  return lines.join("\n") + "\n";
}

/** On white, whatever the page's theme: a picture that is pasted elsewhere knows no theme. */
export function svg(m: GraphModel, scene: Scene, ruler: Ruler): string {
  const pen = new SvgPen(ruler.family), { width: w, height: h } = scene.now;
  drawGraph(pen, m, scene, {
    colors: PAPER, ruler, turn: 0, matched: null, search: "", selected: -1, hover: -1, cursor: -1, zoom: 1, opacity: () => 1, seen: { x: 0, y: 0, w, h },
  });
  return pen.finish(w, h, PAPER.bg, `${summary(m)}: ${scene.deck.cards.slice(0, 20).map((card) => `${card.title} ${WORD[cardStatus(m, card)]}`).join(", ")}`);
}

/** Opens in chrome://tracing and Perfetto; times in microseconds. */
export function trace(m: GraphModel): string {
  const lanes = m.lanes.map((name, tid) => ({ name: "thread_name", ph: "M", pid: 1, tid, args: { name } }));
  const bars = barsOf(m).map((b) => ({
    name: m.nodes[b.node].name, cat: m.of(b.node), ph: "X", pid: 1, tid: b.lane, ts: Math.round(b.from * 1e6), dur: Math.round((b.to - b.from) * 1e6),
    args: { status: WORD[m.of(b.node)], cell: m.nodes[b.node].cell ?? "", critical: b.critical },
  }));
  return JSON.stringify({ traceEvents: [...lanes, ...bars], displayTimeUnit: "ms" });
}

export async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without the permission (an insecure page) the old way: select it and copy.
    const area = document.createElement("textarea");
    area.value = text;
    area.style.cssText = "position:fixed;opacity:0";
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

export function save(name: string, type: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
