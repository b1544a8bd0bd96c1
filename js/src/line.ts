// The line under a %%dag cell: what the cell defines, and how it stands.

import { glyphIcon, h, s } from "./dom";
import type { Line } from "./protocol";

const arrow = () => s("svg", { width: 16, height: 8, viewBox: "0 0 16 8", "aria-hidden": "true" },
  s("path", { d: "M0 4H12", style: "stroke:var(--dag-edge)" }), s("path", { d: "M10 1 15.5 4 10 7Z", style: "fill:var(--dag-edge)" }));

export function drawLine(el: HTMLElement, line: Line | null | undefined): void {
  const { nodes = [], more = "", error = "" } = line ?? {};
  if (error) return el.replaceChildren(glyphIcon("failed"), h("span", { class: "dag-err" }, error));
  const said = nodes.some((node) => node.what);
  el.replaceChildren(
    ...nodes.flatMap((node, k) => [
      k === 0 ? [] : said ? h("span", null, "·") : arrow(),
      h("span", { class: "nd" }, glyphIcon(node.status, node.status === "running" ? 0.7 : undefined), h("span", { title: node.name.length > 40 ? node.name : null }, node.name)),
      node.what ? h("span", { class: "dag-q" }, node.what) : [],
    ]).flat(),
    ...(more ? [h("span", { class: "dag-q" }, more)] : []),
  );
}
