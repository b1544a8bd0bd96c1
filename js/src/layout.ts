// Where cards and edges go: columns by longest path, few crossings, few bends, and nothing drawn through a card.
// src/dagbook/notebook/layout.py is the same algorithm with the same floating-point steps in the same order;
// tests/golden/layout.json holds both equal. Change one, change the other.

/** Height of a folded card; a higher one is unfolded, and does not widen the other cards of its column. */
export const CARD = 40;
/** Free space around the picture. */
export const PAD = 16;
/** An edge starts and ends this far below the top of a card. */
export const PORT = 20;
/** Free space below each card and each slot. */
const ROW = 12;
/** Height of the slot that a long edge gets in every column it passes. */
const SLOT = 4;
const GRID = 4;
/** A line ends this far before the port, where the arrowhead begins. */
const ARROW = 5;

export interface LayoutInput {
  widths: number[];
  heights: number[];
  edges: [number, number][];
}

export interface Layout {
  column: number[];
  /** Place in the column, from the top, counting cards only. */
  order: number[];
  x: number[];
  y: number[];
  /** Width and height of each card as drawn: one width a column, but for unfolded cards that are wider. */
  w: number[];
  h: number[];
  columnX: number[];
  columnW: number[];
  width: number;
  height: number;
  edges: [number, number][];
  /** Per edge, in input order: source port, end of its column if the card is narrower, entry and exit of each column
   *  passed, target port. */
  routes: [number, number][][];
}

/** Cards, and after them the slots of long edges, in columns. */
interface Grid {
  cards: number;
  column: number[];
  height: number[];
  /** Neighbours in the column to the left, and to the right. */
  before: number[][];
  after: number[][];
  /** Per edge: source, slots, target. */
  chains: number[][];
  /** Per column: its items from top to bottom. */
  rows: number[][];
}

/** A layout from nothing: the same input gives the same picture. */
export function cold(input: LayoutInput, gap: number): Layout {
  const grid = gridOf(input, columnsOf(input, []));
  untangle(grid);
  return finish(input, gap, grid, snap(grid, settle(grid)), null);
}

/** A layout that moves as little as possible. The nodes of `previous` come first and in the same order; newcomers are
 *  placed beside their parents in free space. A card that changes its height moves what is below it in its column, one
 *  that changes its width what is right of it, and nothing else moves. A node that got a parent in its own column or
 *  right of it counts as a newcomer. */
export function warm(input: LayoutInput, gap: number, previous: Layout): Layout {
  if (previous.column.length > input.widths.length) return cold(input, gap);
  const grid = gridOf(input, columnsOf(input, previous.column));
  const y = kept(grid, previous);
  seat(grid, y);
  grid.rows.forEach((row) => row.sort((a, b) => y[a] - y[b] || a - b));
  return finish(input, gap, grid, y, previous);
}

/** The widest gap between columns that leaves room for one card to unfold. */
export function gapFor(columnWidths: number[], available: number): number {
  const free = available - columnWidths.reduce((sum, w) => sum + w, 0) - 2 * PAD - 48;
  return [48, 40, 32].find((gap) => gap * (columnWidths.length - 1) <= free) ?? 24;
}

/** Cubic segments [x1, y1, cx1, cy1, cx2, cy2, x2, y2]: tangents are horizontal, and each curve stays inside its gap. */
export function edgePath(route: [number, number][]): number[][] {
  const path: number[][] = [];
  for (let k = 1; k < route.length; k++) {
    const [x1, y1] = route[k - 1];
    const [end, y2] = route[k];
    const x2 = k === route.length - 1 ? end - ARROW : end;
    const bend = y1 === y2 ? (x2 - x1) / 3 : Math.max(14, (x2 - x1) / 2);
    path.push([x1, y1, x1 + bend, y1, x2 - bend, y2, x2, y2]);
  }
  return path;
}

/** Each node right of all its parents, as far left as that allows, and never left of where it was. */
function columnsOf({ widths, edges }: LayoutInput, least: number[]): number[] {
  const column = widths.map((_, i) => least[i] ?? 0);
  const after: number[][] = widths.map(() => []);
  const waiting: number[] = widths.map(() => 0);
  for (const [a, b] of edges) {
    after[a].push(b);
    waiting[b]++;
  }
  const ready = widths.map((_, i) => i).filter((i) => waiting[i] === 0);
  for (let k = 0; k < ready.length; k++) {
    const a = ready[k];
    for (const b of after[a]) {
      column[b] = Math.max(column[b], column[a] + 1);
      if (--waiting[b] === 0) ready.push(b);
    }
  }
  return column;
}

function gridOf({ heights, edges }: LayoutInput, columns: number[]): Grid {
  const column = columns.slice();
  const height = heights.slice();
  const count = columns.reduce((most, c) => Math.max(most, c + 1), 0);
  const rows: number[][] = Array.from({ length: count }, () => []);
  columns.forEach((c, i) => rows[c].push(i));
  const chains = edges.map(([a, b]) => {
    const chain = [a];
    for (let c = columns[a] + 1; c < columns[b]; c++) {
      const slot = column.length;
      column.push(c);
      height.push(SLOT);
      rows[c].push(slot);
      chain.push(slot);
    }
    chain.push(b);
    return chain;
  });
  const before: number[][] = column.map(() => []);
  const after: number[][] = column.map(() => []);
  for (const chain of chains) {
    for (let k = 1; k < chain.length; k++) {
      after[chain[k - 1]].push(chain[k]);
      before[chain[k]].push(chain[k - 1]);
    }
  }
  return { cards: columns.length, column, height, before, after, chains, rows };
}

const port = (grid: Grid, item: number): number => (item < grid.cards ? PORT : SLOT / 2);

// ---- order in the columns ----

/** Orders the columns so that few edges cross: barycentre sweeps, of which the best is kept, then swaps of neighbours. */
function untangle(grid: Grid): void {
  const place: number[] = grid.column.map(() => 0);
  const number = (row: number[]) => row.forEach((item, k) => (place[item] = k));
  grid.rows.forEach(number);
  let best = crossings(grid, place);
  let rows = grid.rows.map((row) => row.slice());
  for (let sweep = 0; sweep < 16 && best > 0; sweep++) {
    const right = sweep % 2 === 0;
    for (let k = 0; k < grid.rows.length; k++) {
      const row = grid.rows[right ? k : grid.rows.length - 1 - k];
      sortByNeighbours(row, right ? grid.before : grid.after, place);
      number(row);
    }
    const now = crossings(grid, place);
    if (now < best) {
      best = now;
      rows = grid.rows.map((row) => row.slice());
    }
  }
  grid.rows = rows;
  rows.forEach(number);
  for (let round = 0; round < 10 && best > 0 && swapNeighbours(grid, place); round++);
}

function sortByNeighbours(row: number[], neighbours: number[][], place: number[]): void {
  const means = row.map((item): [number, number] => {
    const near = neighbours[item];
    let sum = 0;
    for (const m of near) sum += place[m];
    return [near.length ? sum / near.length : place[item], item];
  });
  means.sort((a, b) => a[0] - b[0] || place[a[1]] - place[b[1]]);
  means.forEach(([, item], k) => (row[k] = item));
}

/** The number of crossings, by counting inversions with a tree of prefix sums. */
function crossings(grid: Grid, place: number[]): number {
  let total = 0;
  for (let c = 0; c + 1 < grid.rows.length; c++) {
    const size = grid.rows[c + 1].length;
    const tree = new Int32Array(size + 1);
    let seen = 0;
    for (const item of grid.rows[c]) {
      for (const m of grid.after[item]) {
        total += seen;
        for (let k = place[m] + 1; k > 0; k -= k & -k) total -= tree[k];
      }
      for (const m of grid.after[item]) {
        seen++;
        for (let k = place[m] + 1; k <= size; k += k & -k) tree[k]++;
      }
    }
  }
  return total;
}

/** Swaps neighbours in a column where that saves crossings; false when no swap did. */
function swapNeighbours(grid: Grid, place: number[]): boolean {
  const cost = (upper: number, lower: number) =>
    inversions(grid.before[upper], grid.before[lower], place) +
    inversions(grid.after[upper], grid.after[lower], place);
  let better = false;
  for (const row of grid.rows) {
    for (let k = 1; k < row.length; k++) {
      const upper = row[k - 1];
      const lower = row[k];
      if (cost(lower, upper) >= cost(upper, lower)) continue;
      row[k - 1] = lower;
      row[k] = upper;
      place[lower] = k - 1;
      place[upper] = k;
      better = true;
    }
  }
  return better;
}

function inversions(upper: number[], lower: number[], place: number[]): number {
  let count = 0;
  for (const a of upper) for (const b of lower) if (place[a] > place[b]) count++;
  return count;
}

// ---- heights ----

/** Heights that make edges short and long edges straight: in each column in turn the least squares of the wanted
 *  places under the column's order, found by merging blocks where they collide. */
function settle(grid: Grid): number[] {
  const y: number[] = grid.column.map(() => 0);
  for (const row of grid.rows) {
    let top = 0;
    for (const item of row) {
      y[item] = top;
      top += grid.height[item] + ROW;
    }
  }
  const pulls = grid.column.map((_, item) => pullsOn(grid, item));
  for (let sweep = 0; sweep < 40; sweep++) {
    for (let k = 0; k < grid.rows.length; k++) {
      settleColumn(grid, y, pulls, grid.rows[sweep % 2 ? grid.rows.length - 1 - k : k]);
    }
  }
  return y;
}

/** What pulls an item level: its neighbours with the weight of each, and the sum of the weights. */
interface Pulls {
  from: number[];
  weights: number[];
  sum: number;
}

/** Edges pull with weight 1; the parts of long ones with more, so that they become straight first. */
function pullsOn(grid: Grid, item: number): Pulls {
  const from = [...grid.before[item], ...grid.after[item]];
  const long = item >= grid.cards;
  const weights = from.map((m) => (m >= grid.cards ? (long ? 40 : 2) : long ? 2 : 1));
  return { from, weights, sum: weights.reduce((sum, w) => sum + w, 0) };
}

function settleColumn(grid: Grid, y: number[], pulls: Pulls[], row: number[]): void {
  const place: number[] = [];
  const weight: number[] = [];
  const count: number[] = [];
  let above = 0;
  for (const item of row) {
    let w = pulls[item].sum || 0.1;
    let at = wanted(grid, y, pulls[item], item) - above;
    let n = 1;
    while (place.length && place[place.length - 1] > at) {
      const upper = weight.pop()!;
      at = (place.pop()! * upper + at * w) / (upper + w);
      w = upper + w;
      n += count.pop()!;
    }
    place.push(at);
    weight.push(w);
    count.push(n);
    above += grid.height[item] + ROW;
  }
  above = 0;
  let k = 0;
  place.forEach((at, block) => {
    for (let n = count[block]; n > 0; n--) {
      const item = row[k++];
      y[item] = at + above;
      above += grid.height[item] + ROW;
    }
  });
}

/** Where an item would lie level with its neighbours. */
function wanted(grid: Grid, y: number[], { from, weights, sum }: Pulls, item: number): number {
  if (sum === 0) return y[item];
  let total = 0;
  for (let k = 0; k < from.length; k++) total += weights[k] * (y[from[k]] + port(grid, from[k]));
  return total / sum - port(grid, item);
}

/** Onto the grid, from the top margin down; then slots are pulled level with what is before them, where free. */
function snap(grid: Grid, settled: number[]): number[] {
  let least = Infinity;
  for (const v of settled) least = Math.min(least, v);
  const y = settled.map((v) => onGrid(v - least) + PAD);
  const place: number[] = y.map(() => 0);
  for (const row of grid.rows) {
    let free = PAD;
    row.forEach((item, k) => {
      place[item] = k;
      y[item] = Math.max(y[item], free);
      free = y[item] + grid.height[item] + ROW;
    });
  }
  for (const chain of grid.chains) {
    for (let k = 1; k + 1 < chain.length; k++) {
      const slot = chain[k];
      const level = y[chain[k - 1]] + port(grid, chain[k - 1]) - SLOT / 2;
      const row = grid.rows[grid.column[slot]];
      const upper = row[place[slot] - 1];
      const lower = row[place[slot] + 1];
      if (Math.abs(y[slot] - level) > ROW) continue;
      if (upper !== undefined && level < y[upper] + grid.height[upper] + ROW / 2) continue;
      if (lower !== undefined && level + SLOT > y[lower] - ROW / 2) continue;
      y[slot] = level;
    }
  }
  return y;
}

const onGrid = (v: number): number => Math.floor(v / GRID + 0.5) * GRID;

// ---- from a previous layout ----

/** The heights of all that stays, moved by what grew above it in its column; NaN for newcomers. */
function kept(grid: Grid, previous: Layout): number[] {
  const y: number[] = grid.column.map(() => NaN);
  const grown: [number, number][][] = grid.rows.map(() => []);
  const stays = previous.column.map((c, i) => c === grid.column[i]);
  stays.forEach((stay, i) => {
    if (stay && grid.height[i] !== previous.h[i]) {
      grown[grid.column[i]].push([previous.y[i], grid.height[i] - previous.h[i]]);
    }
  });
  const moved = (top: number, c: number) => {
    let to = top;
    for (const [from, by] of grown[c]) if (from < top) to += by;
    return to;
  };
  stays.forEach((stay, i) => {
    if (stay) y[i] = moved(previous.y[i], grid.column[i]);
  });
  const routes = new Map(previous.edges.map(([a, b], e) => [`${a} ${b}`, previous.routes[e]]));
  for (const chain of grid.chains) {
    const a = chain[0];
    const b = chain[chain.length - 1];
    const route = routes.get(`${a} ${b}`);
    if (!route || !stays[a] || !stays[b]) continue;
    const first = route.length - 1 - 2 * (chain.length - 2);
    for (let k = 1; k + 1 < chain.length; k++) {
      const slot = chain[k];
      y[slot] = moved(route[first + 2 * (k - 1)][1] - SLOT / 2, grid.column[slot]);
    }
  }
  return y;
}

/** Gives each newcomer the free space nearest to level with its parents, else with its children, else at the end. */
function seat(grid: Grid, y: number[]): void {
  for (const row of grid.rows) {
    const taken = row.filter((item) => !isNaN(y[item])).sort((a, b) => y[a] - y[b] || a - b);
    for (const item of row) {
      if (!isNaN(y[item])) continue;
      const parents = grid.before[item];
      const near = parents.length ? parents : grid.after[item].filter((m) => !isNaN(y[m]));
      let sum = 0;
      for (const m of near) sum += y[m] + port(grid, m);
      const last = taken[taken.length - 1];
      const end = last === undefined ? PAD : y[last] + grid.height[last] + ROW;
      const [place, top] = freePlace(grid, y, taken, item, near.length ? sum / near.length - port(grid, item) : end);
      y[item] = top;
      taken.splice(place, 0, item);
    }
  }
}

/** Of the free places in a column the one nearest to `wish`: its index among the items there, and its top. */
function freePlace(grid: Grid, y: number[], taken: number[], item: number, wish: number): [number, number] {
  let best: [number, number] = [0, 0];
  let distance = Infinity;
  let from = PAD;
  for (let k = 0; k <= taken.length; k++) {
    const lower = taken[k];
    const to = lower === undefined ? Infinity : y[lower] - ROW - grid.height[item];
    const low = Math.ceil(from / GRID) * GRID;
    const top = Math.max(low, Math.min(onGrid(wish), to === Infinity ? Infinity : Math.floor(to / GRID) * GRID));
    if (top <= to && Math.abs(top - wish) < distance) {
      best = [k, top];
      distance = Math.abs(top - wish);
    }
    if (lower !== undefined) from = y[lower] + grid.height[lower] + ROW;
  }
  return best;
}

// ---- the result ----

function finish(input: LayoutInput, gap: number, grid: Grid, y: number[], previous: Layout | null): Layout {
  const n = grid.cards;
  const column = grid.column.slice(0, n);
  const w = drawnWidths(input, grid, previous);
  const columnW: number[] = grid.rows.map(() => 0);
  column.forEach((c, i) => (columnW[c] = Math.max(columnW[c], w[i])));
  const columnX: number[] = [];
  let right = PAD - gap;
  for (const wide of columnW) {
    columnX.push(right + gap);
    right += gap + wide;
  }
  const order: number[] = column.map(() => 0);
  for (const row of grid.rows) row.filter((item) => item < n).forEach((item, k) => (order[item] = k));
  let bottom = PAD;
  y.forEach((top, item) => (bottom = Math.max(bottom, top + grid.height[item])));
  const routes = grid.chains.map((chain) => routeOf(grid, y, w, chain, columnX, columnW));
  return {
    column, order, x: column.map((c) => columnX[c]), y: y.slice(0, n), w, h: input.heights.slice(), columnX, columnW,
    width: n ? right + PAD : 2 * PAD, height: bottom + PAD, edges: input.edges, routes,
  };
}

/** Folded cards of a column are equally wide. A card that was folded never shrinks, so that unfolding the one with the
 *  longest name leaves the others as they are. */
function drawnWidths({ widths, heights }: LayoutInput, grid: Grid, previous: Layout | null): number[] {
  const folded: number[] = grid.rows.map(() => 0);
  widths.forEach((width, i) => {
    const c = grid.column[i];
    if (heights[i] <= CARD) folded[c] = Math.max(folded[c], width);
    if (previous && previous.column[i] === c && previous.h[i] <= CARD) folded[c] = Math.max(folded[c], previous.w[i]);
  });
  return widths.map((width, i) => Math.max(heights[i] > CARD ? width : 0, folded[grid.column[i]]));
}

function routeOf(
  grid: Grid, y: number[], w: number[], chain: number[], columnX: number[], columnW: number[],
): [number, number][] {
  const route: [number, number][] = [];
  chain.forEach((item, k) => {
    const c = grid.column[item];
    const level = y[item] + port(grid, item);
    if (k > 0) route.push([columnX[c], level]);
    if (k === 0) route.push([columnX[c] + w[item], level]);
    if (k + 1 < chain.length && (k > 0 || w[item] < columnW[c])) route.push([columnX[c] + columnW[c], level]);
  });
  return route;
}
