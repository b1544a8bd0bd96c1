// The stage that a picture is shown on: a canvas as large as what can be seen, scrolled, zoomed and dragged by the page.

import { h, reducedMotion } from "./dom";
import { CanvasPen, type Pen, type Ruler } from "./pen";
import type { Rect } from "./scene";

export interface Picture {
  /** Its size at zoom 1, given the width that can be seen. */
  size(width: number): { w: number; h: number };
  draw(pen: Pen, seen: Rect, zoom: number): void;
}

const TALLEST = 480, SHORTEST = 96;
/** The stage does not scroll by itself for this long after the user moved it. */
const RESPECT = 10_000;

export class Stage {
  readonly paper = h("div", { class: "dag-paper" });
  readonly scroller = h("div", { class: "dag-view" }, this.paper);
  readonly canvas = h("canvas", { role: "img" });
  zoom = 1;
  private picture: Picture | null = null;
  private readonly pen: CanvasPen;
  private readonly context: CanvasRenderingContext2D;
  private frame = 0;
  private moved = -Infinity;
  private ownScroll = 0;
  private seenOnScreen = true;
  private content = { w: 0, h: 0 };
  private readonly cleanup: (() => void)[] = [];
  /** Draws of the last seconds, for the test hook. */
  draws = 0;
  lastDraw = 0;

  constructor(
    ruler: Ruler,
    private readonly on: { beforeDraw(now: number): boolean; pointer(kind: "move" | "leave" | "click", x: number, y: number): void; zoomed(): void },
  ) {
    this.context = this.canvas.getContext("2d")!;
    this.pen = new CanvasPen(this.context, ruler);
    this.paper.append(this.canvas);
    this.listen();
    const shown = new IntersectionObserver((entries) => {
      this.seenOnScreen = entries[entries.length - 1].isIntersecting;
      if (this.seenOnScreen) this.invalidate();
    });
    shown.observe(this.scroller);
    const wake = () => this.invalidate();
    document.addEventListener("visibilitychange", wake);
    this.cleanup.push(() => shown.disconnect(), () => document.removeEventListener("visibilitychange", wake));
  }

  dispose(): void {
    cancelAnimationFrame(this.frame);
    this.cleanup.forEach((end) => end());
  }

  show(picture: Picture): void {
    this.picture = picture;
    this.zoom = 1;
    this.scroller.scrollTo(0, 0);
    this.invalidate();
  }

  /** Asks for a drawing in the next frame; many asks make one drawing, and none while nobody looks. */
  invalidate(): void {
    if (this.frame || document.hidden || !this.seenOnScreen) return;
    this.frame = requestAnimationFrame((now) => {
      this.frame = 0;
      const again = this.on.beforeDraw(now);
      this.draw();
      if (again) this.invalidate();
    });
  }

  /** Sizes the paper to the picture; the stage is as high as its content, within bounds. */
  resize(): void {
    if (!this.picture) return;
    const width = this.scroller.clientWidth;
    const { w, h } = this.picture.size(width);
    this.content = { w: Math.ceil(w * this.zoom), h: Math.ceil(h * this.zoom) };
    const height = Math.max(SHORTEST, Math.min(TALLEST, this.content.h));
    const style = (el: HTMLElement, name: "width" | "height", value: number) => {
      if (el.style[name] !== `${value}px`) el.style[name] = `${value}px`;
    };
    const bar = this.content.w > width ? this.scroller.offsetHeight - this.scroller.clientHeight : 0;
    style(this.scroller, "height", height + bar);
    style(this.paper, "width", Math.max(this.content.w, 1));
    style(this.paper, "height", this.content.h);
    const above = `${Math.max(0, Math.floor((height - this.content.h) / 2))}px`;
    if (this.paper.style.marginTop !== above) this.paper.style.marginTop = above;
    const sheet = { w: Math.min(width, Math.max(this.content.w, width)), h: Math.min(height, this.content.h) };
    const ratio = window.devicePixelRatio || 1;
    const [cw, ch] = [Math.round(sheet.w * ratio), Math.round(sheet.h * ratio)];
    if (this.canvas.width !== cw || this.canvas.height !== ch) {
      this.canvas.width = cw;
      this.canvas.height = ch;
    }
    style(this.canvas, "width", sheet.w);
    style(this.canvas, "height", sheet.h);
  }

  private draw(): void {
    if (!this.picture) return;
    const started = performance.now();
    this.resize();
    const { context, canvas, scroller, zoom } = this;
    const scale = (window.devicePixelRatio || 1) * zoom;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.setTransform(scale, 0, 0, scale, -scroller.scrollLeft * (window.devicePixelRatio || 1), -scroller.scrollTop * (window.devicePixelRatio || 1));
    const seen = { x: scroller.scrollLeft / zoom, y: scroller.scrollTop / zoom, w: canvas.clientWidth / zoom, h: canvas.clientHeight / zoom };
    this.picture.draw(this.pen, seen, zoom);
    this.draws++;
    this.lastDraw = performance.now() - started;
  }

  /** A place on the screen in the picture's coordinates. */
  at(clientX: number, clientY: number): [number, number] {
    const box = this.canvas.getBoundingClientRect();
    return [(clientX - box.left + this.scroller.scrollLeft) / this.zoom, (clientY - box.top + this.scroller.scrollTop) / this.zoom];
  }

  /** A rectangle of the screen in the picture's coordinates. */
  fromScreen(r: DOMRect): Rect {
    const [x, y] = this.at(r.x, r.y);
    return { x, y, w: r.width / this.zoom, h: r.height / this.zoom };
  }

  /** A rectangle of the picture on the screen. */
  onScreen(r: Rect): DOMRect {
    const box = this.canvas.getBoundingClientRect(), { zoom, scroller } = this;
    return new DOMRect(box.left + r.x * zoom - scroller.scrollLeft, box.top + r.y * zoom - scroller.scrollTop, r.w * zoom, r.h * zoom);
  }

  /** Zooms about a point of the stage, which stays where it is. */
  zoomTo(zoom: number, x = this.scroller.clientWidth / 2, y = this.scroller.clientHeight / 2): void {
    const next = Math.max(0.2, Math.min(2, zoom));
    if (next === this.zoom) return;
    const { scroller } = this;
    const [px, py] = [(scroller.scrollLeft + x) / this.zoom, (scroller.scrollTop + y) / this.zoom];
    this.zoom = next;
    this.resize();
    this.scrollOwn(px * next - x, py * next - y);
    this.on.zoomed();
    this.invalidate();
  }

  private scrollOwn(left: number, top: number, smooth = false): void {
    this.ownScroll = performance.now() + (smooth ? 600 : 60);
    this.scroller.scrollTo({ left, top, behavior: smooth && !reducedMotion() ? "smooth" : "instant" });
  }

  /** Scrolls as little as needed to show a rectangle; `gently` only when the user has left the stage alone. */
  reveal(r: Rect, gently = false): void {
    if (gently && performance.now() - this.moved < RESPECT) return;
    const { scroller, zoom } = this, margin = 16;
    const into = (at: number, size: number, from: number, span: number) =>
      size + 2 * margin > span || at - margin < from ? Math.max(0, at - margin) : at + size + margin > from + span ? at + size + margin - span : from;
    const left = into(r.x * zoom, r.w * zoom, scroller.scrollLeft, scroller.clientWidth);
    const top = into(r.y * zoom, r.h * zoom, scroller.scrollTop, scroller.clientHeight);
    if (Math.abs(left - scroller.scrollLeft) > 1 || Math.abs(top - scroller.scrollTop) > 1) this.scrollOwn(left, top, gently);
  }

  private listen(): void {
    const { scroller, canvas } = this;
    scroller.addEventListener("scroll", () => {
      if (performance.now() > this.ownScroll) this.moved = performance.now();
      this.invalidate();
    }, { passive: true });
    scroller.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const box = scroller.getBoundingClientRect();
      this.moved = performance.now();
      this.zoomTo(this.zoom * Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
    }, { passive: false });
    let from: { x: number; y: number; left: number; top: number; far: boolean } | null = null;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.pointerType === "touch") return;
      from = { x: event.clientX, y: event.clientY, left: scroller.scrollLeft, top: scroller.scrollTop, far: false };
    });
    const drag = (event: PointerEvent) => {
      if (!from) return;
      const dx = event.clientX - from.x, dy = event.clientY - from.y;
      if (!from.far && Math.hypot(dx, dy) < 4) return;
      from.far = true;
      this.moved = performance.now();
      scroller.classList.add("drag");
      scroller.scrollTo(from.left - dx, from.top - dy);
    };
    const drop = () => {
      scroller.classList.remove("drag");
      window.setTimeout(() => (from = null));
    };
    window.addEventListener("pointermove", drag);
    window.addEventListener("pointerup", drop);
    this.cleanup.push(() => window.removeEventListener("pointermove", drag), () => window.removeEventListener("pointerup", drop));
    canvas.addEventListener("pointermove", (event) => from?.far || this.on.pointer("move", ...this.at(event.clientX, event.clientY)));
    canvas.addEventListener("pointerleave", () => this.on.pointer("leave", -1, -1));
    canvas.addEventListener("click", (event) => from?.far || this.on.pointer("click", ...this.at(event.clientX, event.clientY)));
  }
}
