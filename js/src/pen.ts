// One way to draw, two papers: a canvas on the screen and an SVG text for copying.

import { glyph, type Ink } from "./glyphs";
import type { Status } from "./protocol";
import { plain } from "./text";
import type { Tokens } from "./tokens";

export interface Line { stroke?: string; width?: number; dash?: number[]; cap?: CanvasLineCap; fill?: string }
export interface Type { size: number; weight?: number; ink: string; align?: "left" | "right" | "center"; underline?: boolean }
/** Where a path of its own coordinates is put. */
export interface Place { x: number; y: number; scale: number; turn?: number }

export interface Pen {
  rect(x: number, y: number, w: number, h: number, line: Line, radius?: number): void;
  path(d: string, line: Line, place?: Place): void;
  text(x: number, y: number, text: string, type: Type): void;
  /** How much of what is drawn from now on covers what is below. */
  opacity(share: number): void;
}

/** Widths of text. Digits all take the room of "0", so that a ticking time stands still. */
export class Ruler {
  private widths = new Map<string, number>();
  private readonly context = document.createElement("canvas").getContext("2d");
  constructor(public family: string) {}

  restart(family: string): void {
    this.family = family;
    this.widths.clear();
  }

  font(size: number, weight = 400): string {
    return `${weight} ${size}px ${this.family}`;
  }

  measure = (text: string, size: number, weight = 400): number => {
    const key = `${size} ${weight} ${text}`;
    let width = this.widths.get(key);
    if (width === undefined) {
      if (this.widths.size > 20000) this.widths.clear();
      width = runs(text).reduce((sum, run) => sum + this.run(run, size, weight), 0);
      this.widths.set(key, width);
    }
    return width;
  };

  run(run: string, size: number, weight: number): number {
    if (!this.context) return run.length * size * 0.55;
    this.context.font = this.font(size, weight);
    return isDigits(run) ? run.length * this.context.measureText("0").width : this.context.measureText(run).width;
  }
}

const isDigits = (run: string) => run[0] >= "0" && run[0] <= "9";
const runs = (text: string): string[] => text.match(/\d+|\D+/g) ?? [];

export class CanvasPen implements Pen {
  private paths = new Map<string, Path2D>();
  constructor(private readonly ctx: CanvasRenderingContext2D, private readonly ruler: Ruler) {}

  rect(x: number, y: number, w: number, h: number, line: Line, radius = 0): void {
    const { ctx } = this;
    if (!radius && !line.stroke) {
      if (line.fill) {
        ctx.fillStyle = line.fill;
        ctx.fillRect(x, y, w, h);
      }
      return;
    }
    ctx.beginPath();
    if (radius) ctx.roundRect(x, y, w, h, radius); else ctx.rect(x, y, w, h);
    this.ink(line);
  }

  opacity(share: number): void {
    this.ctx.globalAlpha = share;
  }

  path(d: string, line: Line, place?: Place): void {
    const { ctx } = this;
    let path = this.paths.get(d);
    if (!path) {
      if (this.paths.size > 4000) this.paths.clear();
      this.paths.set(d, (path = new Path2D(d)));
    }
    if (!place) return this.ink(line, path);
    ctx.save();
    ctx.translate(place.x, place.y);
    ctx.scale(place.scale, place.scale);
    if (place.turn) {
      ctx.translate(6, 6);
      ctx.rotate(place.turn);
      ctx.translate(-6, -6);
    }
    this.ink(line, path);
    ctx.restore();
  }

  private ink(line: Line, path?: Path2D): void {
    const { ctx } = this;
    if (line.fill) {
      ctx.fillStyle = line.fill;
      if (path) ctx.fill(path); else ctx.fill();
    }
    if (!line.stroke) return;
    ctx.strokeStyle = line.stroke;
    ctx.lineWidth = line.width ?? 1;
    ctx.lineCap = line.cap ?? "butt";
    ctx.lineJoin = line.cap === "round" ? "round" : "miter";
    ctx.setLineDash(line.dash ?? []);
    if (path) ctx.stroke(path); else ctx.stroke();
  }

  text(x: number, y: number, raw: string, type: Type): void {
    const { ctx, ruler } = this;
    const text = plain(raw), weight = type.weight ?? 400;
    const width = ruler.measure(text, type.size, weight);
    let at = type.align === "right" ? x - width : type.align === "center" ? x - width / 2 : x;
    ctx.font = ruler.font(type.size, weight);
    ctx.fillStyle = type.ink;
    if (type.underline) ctx.fillRect(at, y + 2, width, 1);
    const zero = ctx.measureText("0").width;
    for (const run of runs(text)) {
      if (!isDigits(run)) {
        ctx.fillText(run, at, y);
        at += ruler.run(run, type.size, weight);
        continue;
      }
      for (const digit of run) {
        ctx.fillText(digit, at + (zero - ctx.measureText(digit).width) / 2, y);
        at += zero;
      }
    }
  }
}

const number = (x: number) => String(Math.round(x * 100) / 100);
const escaped = (text: string) =>
  text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;").replace(/'/g, "&#39;");

/** Writes the same marks as SVG text. Everything that comes from a notebook is escaped. */
export class SvgPen implements Pen {
  private marks: string[] = [];
  constructor(private readonly family: string) {}

  private attributes(line: Line): string {
    const { fill, stroke, width, dash, cap } = line;
    const given: [string, string | undefined][] = [
      ["fill", fill ?? "none"], ["stroke", stroke], ["stroke-width", stroke && width ? number(width) : undefined],
      ["stroke-dasharray", stroke && dash?.length ? dash.join(" ") : undefined],
      ["stroke-linecap", stroke && cap ? cap : undefined], ["stroke-linejoin", stroke && cap === "round" ? "round" : undefined],
    ];
    return given.map(([k, v]) => (v === undefined ? "" : ` ${k}="${escaped(v)}"`)).join("");
  }

  rect(x: number, y: number, w: number, h: number, line: Line, radius = 0): void {
    const round = radius ? ` rx="${radius}"` : "";
    this.marks.push(`<rect x="${number(x)}" y="${number(y)}" width="${number(w)}" height="${number(h)}"${round}${this.attributes(line)}/>`);
  }

  path(d: string, line: Line, place?: Place): void {
    const moved = place ? ` transform="translate(${number(place.x)} ${number(place.y)}) scale(${number(place.scale)})"` : "";
    this.marks.push(`<path d="${escaped(d)}"${moved}${this.attributes(line)}/>`);
  }

  text(x: number, y: number, text: string, type: Type): void {
    const anchor = { left: "start", center: "middle", right: "end" }[type.align ?? "left"];
    this.marks.push(
      `<text x="${number(x)}" y="${number(y)}" font-size="${type.size}" font-weight="${type.weight ?? 400}" text-anchor="${anchor}"` +
      ` fill="${escaped(type.ink)}"${type.underline ? ' text-decoration="underline"' : ""}>${escaped(plain(text))}</text>`,
    );
  }

  /** A picture for the clipboard stands still: nothing in it is on its way in. */
  opacity(): void {}

  finish(width: number, height: number, ground: string, title: string): string {
    return (
      `<svg xmlns="http://www.w3.org/2000/svg" width="${number(width)}" height="${number(height)}" ` +
      `viewBox="0 0 ${number(width)} ${number(height)}" font-family="${escaped(this.family)}" font-variant-numeric="tabular-nums">` +
      `<title>${escaped(plain(title))}</title><rect width="100%" height="100%" fill="${escaped(ground)}"/>${this.marks.join("")}</svg>`
    );
  }
}

/** Draws the glyph of a status. `ink` gives all of it one colour; `turn` is the angle of an arc of unknown share. */
export function drawGlyph(
  pen: Pen, colors: Tokens, x: number, y: number, status: Status,
  { share, size = 12, turn = 0, ink }: { share?: number; size?: number; turn?: number; ink?: string } = {},
): void {
  const color = (name: Ink) => (ink && name !== "card" && name !== "track" ? ink : colors[name]);
  for (const s of glyph(status, share)) {
    const place = { x, y, scale: size / 12, turn: s.spin ? turn : 0 };
    if (s.fill) pen.path(s.d, { fill: color(s.ink) }, place);
    else pen.path(s.d, { stroke: color(s.ink), width: s.width ?? 1.25, dash: s.dash, cap: s.cap ?? "round" }, place);
  }
}
