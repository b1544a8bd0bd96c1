// What browser tests may read of a widget: the state behind the canvas, and where things are on the screen.

import type { Widget } from "./widget";

const box = ({ x, y, width, height }: DOMRect) => ({ x, y, width, height });

export function hookFor(w: Widget) {
  return {
    state: () => ({
      nodes: Object.fromEntries(w.m.nodes.map((node, i) => [node.name, w.m.of(i)])), run: { ...w.m.run }, seq: w.m.seq, live: w.m.live, gone: w.m.gone,
      view: w.view, zoom: w.stage.zoom, pan: { x: w.stage.scroller.scrollLeft, y: w.stage.scroller.scrollTop }, selected: w.selected,
      cursor: w.m.nodes[w.cursor]?.name ?? null, unfolded: w.graph.openKeys(), grouped: w.graph.scene.deck.grouped, filter: { ...w.filter, states: [...w.filter.states] },
      pending: w.control.pending, dark: w.theme.dark, draws: w.stage.draws, lastDraw: w.stage.lastDraw,
    }),
    /** In client coordinates: cards and the cells of open ones, rows of the list, or bars of the timeline. */
    cards: () => {
      const named = (i: number, rect: Parameters<typeof w.stage.onScreen>[0] | null) => (rect ? [{ name: w.m.nodes[i].name, ...box(w.stage.onScreen(rect)) }] : []);
      if (w.view === "list") return w.list.rows.flatMap((i) => named(i, w.list.rowRect(i)));
      if (w.view === "timeline") return w.m.nodes.flatMap((_, i) => named(i, w.timeline.barRect(i)));
      return w.graph.rects().map(({ name, rect }) => ({ name, ...box(w.stage.onScreen(rect)) }));
    },
  };
}
