// Builds the widget's module and style sheet; with --harness also the page that shows it without Jupyter.
import { build } from "esbuild";
import { mkdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const LIMIT = 60 * 1024;
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const common = { bundle: true, target: "es2022", legalComments: "none", logLevel: "warning" };
const built = here("../src/dagbook/notebook/static/");

mkdirSync(built, { recursive: true });
await build({ ...common, entryPoints: [here("src/widget.css")], outfile: `${built}widget.css`, minify: true });
await build({ ...common, entryPoints: { widget: here("src/index.ts"), line: here("src/oneline.ts") }, outdir: built, format: "esm", minify: true });
let total = 0;
for (const name of ["widget.js", "line.js", "widget.css"]) {
  const size = gzipSync(readFileSync(built + name), { level: 9 }).length;
  total += size;
  console.log(`${name}: ${(size / 1024).toFixed(1)} KiB gzipped`);
}
if (total > LIMIT) throw new Error(`the widget is ${total} bytes gzipped; the limit is ${LIMIT}`);

if (process.argv.includes("--harness")) {
  await build({ ...common, entryPoints: [here("harness/main.ts")], outdir: here("harness/dist"), format: "esm", sourcemap: "inline" });
}
