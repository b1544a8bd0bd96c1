// Small builders for DOM. Text goes in as text, never as markup.

import { glyph, ICON, SOLID, type Icon } from "./glyphs";
import type { Status } from "./protocol";
import { plain } from "./text";

type Kid = Node | string | null | undefined | false;
type Attributes = { [name: string]: string | number | boolean | null | undefined | ((event: never) => void) };

const SVG = "http://www.w3.org/2000/svg";

function fill<E extends Element>(el: E, attributes: Attributes | null, kids: (Kid | Kid[])[]): E {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") el.addEventListener(name, value as EventListener);
    else if (value !== null && value !== undefined && value !== false) el.setAttribute(name, value === true ? "" : String(value));
  }
  for (const kid of kids.flat()) if (kid) el.append(typeof kid === "string" ? plain(kid) : kid);
  return el;
}

export function h<K extends keyof HTMLElementTagNameMap>(tag: K, attributes?: Attributes | null, ...kids: (Kid | Kid[])[]): HTMLElementTagNameMap[K] {
  return fill(document.createElement(tag), attributes ?? null, kids);
}

export function s(tag: string, attributes?: Attributes | null, ...kids: (Kid | Kid[])[]): SVGElement {
  return fill(document.createElementNS(SVG, tag) as SVGElement, attributes ?? null, kids);
}

export function icon(name: Icon): SVGElement {
  const solid = SOLID.has(name);
  return s("svg", { width: 16, height: 16, viewBox: "0 0 16 16", "aria-hidden": "true" },
    s("path", {
      d: ICON[name], fill: solid ? "currentColor" : "none", stroke: solid ? "none" : "currentColor",
      "stroke-width": name === "more" ? 2 : 1.25, "stroke-linecap": "round", "stroke-linejoin": "round",
    }));
}

/** A status glyph in the page; colours come from the root's variables, so a theme change needs no redraw. */
export function glyphIcon(status: Status, share?: number): SVGElement {
  return s("svg", { width: 12, height: 12, viewBox: "0 0 12 12", "aria-hidden": "true", class: "dag-glyph" },
    glyph(status, share).map((g) => {
      const ink = `var(--dag-${g.ink})`;
      return s("path", {
        d: g.d, style: g.fill ? `fill:${ink}` : `fill:none;stroke:${ink}`, "stroke-width": g.fill ? null : g.width ?? 1.25,
        "stroke-dasharray": g.dash?.join(" "), "stroke-linecap": g.cap ?? "round", "stroke-linejoin": "round", class: g.spin ? "dag-spin" : null,
      });
    }));
}

export function iconButton(name: Icon, label: string, act: () => void): HTMLButtonElement {
  return h("button", { type: "button", class: "dag-b", title: label, "aria-label": label, click: act }, icon(name));
}

/** Sets the text only when it differs, so that nothing is laid out or announced in vain. */
export function setText(el: Element, text: string): void {
  const safe = plain(text);
  if (el.textContent !== safe) el.textContent = safe;
}

/** One tab stop for several controls: arrows go between them. */
export function roving(bar: HTMLElement, selector = "button, input"): () => void {
  const stops = () => [...bar.querySelectorAll<HTMLElement>(selector)].filter((el) => el.offsetParent !== null && !(el as HTMLButtonElement).disabled);
  const settle = (current?: HTMLElement) => {
    const all = stops();
    const kept = current ?? all.find((el) => el.tabIndex === 0) ?? all[0];
    bar.querySelectorAll<HTMLElement>(selector).forEach((el) => (el.tabIndex = el === kept ? 0 : -1));
  };
  bar.addEventListener("focusin", (event) => settle(event.target as HTMLElement));
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key] ?? 0;
    const target = event.target as HTMLElement;
    if (!step || (target instanceof HTMLInputElement && !atEnd(target, step))) return;
    const all = stops();
    all[(all.indexOf(target) + step + all.length) % all.length]?.focus();
    event.preventDefault();
    event.stopPropagation();
  });
  return () => settle();
}

const atEnd = (input: HTMLInputElement, step: number) =>
  input.selectionStart === input.selectionEnd && input.selectionStart === (step < 0 ? 0 : input.value.length);

export const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
