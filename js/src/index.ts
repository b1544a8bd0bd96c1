// The module that the page loads: one view for each output that shows the widget.

import type { Host } from "./control";
import { h } from "./dom";
import { drawLine } from "./line";
import type { Line } from "./protocol";
import { applyTheme, readTheme, watchTheme } from "./tokens";
import { Widget } from "./widget";

interface View { model: Host; el: HTMLElement }

function lineView({ model, el }: View): () => void {
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

function graphView({ model, el }: View): () => void {
  const widget = new Widget(model, el);
  el.append(widget.root);
  widget.start();
  return () => widget.dispose();
}

export default { render: (view: View) => (view.model.get("kind") === "line" ? lineView(view) : graphView(view)) };
