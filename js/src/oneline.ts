// The module of the line under a %%dag cell: small, because each such cell carries it.

import type { Host } from "./control";
import { h } from "./dom";
import { drawLine } from "./line";
import type { Line } from "./protocol";
import { applyTheme, readTheme, watchTheme } from "./tokens";

export function lineView({ model, el }: { model: Host; el: HTMLElement }): () => void {
  const root = h("div", { class: "dagbook dagline" });
  el.append(root);
  const theme = () => applyTheme(root, readTheme(root));
  const draw = () => drawLine(root, model.get("line") as Line);
  theme();
  draw();
  model.on("change:line", draw);
  const unwatch = watchTheme(theme);
  return () => {
    model.off("change:line", draw);
    unwatch();
    root.remove();
  };
}

export default { render: lineView };
