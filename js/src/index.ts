// The module of the graph: one view for each output that shows it.

import type { Host } from "./control";
import { Widget } from "./widget";

interface View { model: Host; el: HTMLElement }

function graphView({ model, el }: View): () => void {
  const widget = new Widget(model, el);
  el.append(widget.root);
  widget.start();
  return () => widget.dispose();
}

export default { render: graphView };
