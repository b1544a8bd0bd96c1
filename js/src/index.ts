// The module of the graph: one view for each output that shows it.

import type { Host } from "./control";
import { Widget } from "./widget";

interface Place { widget: Widget | null; el: HTMLElement; model: Host }

/** Where the graph is shown. This module is loaded anew for each model, so these are the views of one. */
const places = new Set<Place>();

/** An output that is published again (the end of a run) gets a new element, and the old one leaves the page. The user
 *  must not see that: the old widget moves into the new element, with its selection, details and place. */
function inherit(place: Place): void {
  const old = [...places].find((other) => other !== place && other.widget && !other.el.isConnected);
  if (!old || !place.widget || !place.el.isConnected) return;
  place.widget.dispose();
  place.widget = old.widget;
  old.widget = null;
  places.delete(old);
  place.widget!.move(place.el, place.model);
}

function render({ model, el }: { model: Host; el: HTMLElement }): () => void {
  const widget = new Widget(model, el);
  const place: Place = { widget, el, model };
  places.add(place);
  el.append(widget.root);
  widget.start();
  const frame = requestAnimationFrame(() => inherit(place));
  return () => {
    cancelAnimationFrame(frame);
    // Lab may end the old view before it makes the new one: wait a moment for an heir.
    setTimeout(() => {
      places.delete(place);
      place.widget?.dispose();
      place.widget = null;
    }, 100);
  };
}

export default { render };
