// Colours from the page's theme: JupyterLab's variables where they exist, own values elsewhere, contrast made sure of.

export interface Tokens {
  bg: string; card: string; ink0: string; t1: string; t2: string; t3: string; edge: string; line: string; track: string;
  wash: string; run: string; runt: string; runw: string; fail: string; failt: string; failw: string; stale: string;
}
export interface Theme { dark: boolean; colors: Tokens; font: string; code: string }
export type Rgb = [number, number, number];

const LIGHT = {
  bg: "#ffffff", card: "#ffffff", ink: "#000000", run: "#1976d2", run2: "#64b5f6", fail: "#d32f2f", fail2: "#e57373", warn: "#cc7a00",
};
const DARK = {
  bg: "#111111", card: "#212121", ink: "#ffffff", run: "#2196f3", run2: "#64b5f6", fail: "#f44336", fail2: "#e57373", warn: "#ff9800",
};
const VARIABLE = {
  bg: "--jp-layout-color0", card: "--jp-layout-color1", ink: "--jp-ui-font-color0", run: "--jp-brand-color1",
  run2: "--jp-brand-color2", fail: "--jp-error-color1", fail2: "--jp-error-color2", warn: "--jp-warn-color1",
};
type Seeds = { [K in keyof typeof LIGHT]: Rgb };

export function mix(over: Rgb, under: Rgb, share: number): Rgb {
  return over.map((c, i) => Math.round(c * share + under[i] * (1 - share))) as Rgb;
}

export function luminance(color: Rgb): number {
  const [r, g, b] = color.map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

export function contrast(a: Rgb, b: Rgb): number {
  const [x, y] = [luminance(a), luminance(b)];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

/** `color`, mixed towards `ink` in steps of a tenth until it stands out enough from every ground. */
export function ensured(color: Rgb, ink: Rgb, grounds: Rgb[], ratio: number): Rgb {
  for (let step = 0; step < 10; step++) {
    const tried = mix(ink, color, step / 10);
    if (grounds.every((ground) => contrast(tried, ground) >= ratio)) return tried;
  }
  return ink;
}

export const hex = (c: Rgb) => "#" + c.map((x) => x.toString(16).padStart(2, "0")).join("");
export const rgb = (s: string): Rgb => [1, 3, 5].map((i) => parseInt(s.slice(i, i + 2), 16)) as Rgb;

/** All colours from the few that a theme gives. */
export function derive(seed: Seeds): { dark: boolean; colors: Tokens } {
  const { bg, card, ink } = seed;
  const dark = luminance(bg) < 0.2;
  const grounds = [bg, card];
  const grey = (share: number) => mix(ink, bg, share);
  const text = (c: Rgb) => hex(ensured(c, ink, grounds, 4.5));
  const mark = (c: Rgb) => hex(ensured(c, ink, grounds, 3));
  return {
    dark,
    colors: {
      bg: hex(bg), card: hex(card), ink0: hex(ink),
      t1: hex(grey(0.87)), t2: text(grey(0.68)), t3: text(grey(0.58)), edge: mark(grey(0.43)),
      line: hex(grey(0.16)), track: hex(grey(0.14)), wash: hex(grey(0.05)),
      run: mark(seed.run), runt: text(dark ? seed.run2 : seed.run), runw: hex(mix(seed.run, card, 0.12)),
      fail: mark(seed.fail), failt: text(dark ? seed.fail2 : seed.fail), failw: hex(mix(seed.fail, card, 0.1)),
      stale: mark(dark ? seed.warn : rgb(LIGHT.warn)),
    },
  };
}

/** The light colours on white: for a picture that leaves the page. */
export const PAPER = derive(Object.fromEntries(Object.entries(LIGHT).map(([k, v]) => [k, rgb(v)])) as Seeds).colors;

let pixel: CanvasRenderingContext2D | null = null;

/** Any CSS colour as bytes; what is see-through lies on `under`. */
function parse(css: string, under: Rgb): Rgb {
  const m = /^rgba?\(\s*(\d+)[,\s]+(\d+)[,\s]+(\d+)(?:[,/\s]+([\d.]+))?\s*\)$/.exec(css);
  if (m) return mix([+m[1], +m[2], +m[3]], under, m[4] === undefined ? 1 : +m[4]);
  pixel ??= Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  if (!pixel) return under;
  pixel.clearRect(0, 0, 1, 1);
  pixel.fillStyle = css;
  pixel.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data;
  return mix([r, g, b], under, a / 255);
}

/** Reads the theme that holds where `root` stands, or the page's while it is not yet in the page. */
export function readTheme(place: HTMLElement): Theme {
  const root = place.isConnected ? place : document.body;
  const probe = document.createElement("span");
  probe.style.cssText = "position:absolute;visibility:hidden;pointer-events:none";
  root.append(probe);
  const styles = getComputedStyle(probe);
  const has = styles.getPropertyValue(VARIABLE.bg).trim() !== "";
  const fallback = !has && matchMedia("(prefers-color-scheme: dark)").matches ? DARK : LIGHT;
  const seed = {} as Seeds;
  for (const key of Object.keys(VARIABLE) as (keyof Seeds)[]) {
    probe.style.color = `var(${VARIABLE[key]}, ${fallback[key]})`;
    seed[key] = parse(styles.color, seed.bg ?? rgb(fallback.bg));
  }
  const family = (name: string, otherwise: string) => styles.getPropertyValue(name).trim() || otherwise;
  const theme = {
    ...derive(seed),
    font: family("--jp-ui-font-family", 'system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif'),
    code: family("--jp-code-font-family", 'Menlo, Consolas, "DejaVu Sans Mono", monospace'),
  };
  probe.remove();
  return theme;
}

/** The DOM takes the same colours as the canvas, as variables on the root. */
export function applyTheme(root: HTMLElement, theme: Theme): void {
  for (const [name, value] of Object.entries(theme.colors)) root.style.setProperty(`--dag-${name}`, value);
  root.style.setProperty("--dag-font", theme.font);
  root.style.setProperty("--dag-code", theme.code);
}

/** Calls back when the page's theme may have changed. JupyterLab swaps style sheets first and names the theme after. */
export function watchTheme(changed: () => void): () => void {
  let timers: number[] = [];
  const later = () => {
    timers.forEach(clearTimeout);
    timers = [0, 150, 600].map((ms) => window.setTimeout(changed, ms));
  };
  const observer = new MutationObserver(later);
  const attributeFilter = ["class", "style", "data-jp-theme-light", "data-jp-theme-name", "data-theme"];
  for (const el of [document.documentElement, document.body]) observer.observe(el, { attributes: true, attributeFilter });
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", later);
  return () => {
    timers.forEach(clearTimeout);
    observer.disconnect();
    scheme.removeEventListener("change", later);
  };
}
