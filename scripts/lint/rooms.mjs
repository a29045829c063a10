// Counts what the layers shall improve: `node scripts/lint/rooms.mjs [folder of another checkout]`.
//
// Each package is counted by folder: a room is a folder directly below src, or a file beside it. This works
// for any commit. Where layers.mjs has a room for every file, the package is counted by these rooms as well.
// An import between rooms is an ordered pair of rooms, however many files of the one import files of the
// other. Types count, and so does index.ts. Upward imports by folder are the fewest such pairs that any order
// of the rooms leaves; by layers.mjs they are the pairs that break its order. A cycle is a largest set of
// rooms, or files, that reach one another.
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { heightsOf, roomOf, targetOf } from "./plugin.mjs";

const root = resolve(process.argv[2] ?? join(import.meta.dirname, "..", ".."));

/**
 * The files below a src folder, and the files of this folder that each of them imports.
 * @returns {Map<string, Set<string>>}
 */
function importsOf(src) {
  const files = readdirSync(src, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => file.replaceAll("\\", "/"))
    .sort();
  const known = new Set(files);
  const graph = new Map();
  for (const file of files) {
    const text = readFileSync(join(src, file), "utf8");
    const specifiers = text.matchAll(/\b(?:from|import)\s*\(?\s*"(\.[^"]+)"/g);
    const targets = [...specifiers].map(([, specifier]) => targetOf(file, specifier));
    graph.set(file, new Set(targets.filter((target) => known.has(target))));
  }
  return graph;
}

/**
 * The graph of the rooms, without the imports inside a room.
 * @returns {Map<string, Set<string>>}
 */
function between(graph, room) {
  const rooms = new Map([...graph.keys()].map((file) => [room(file), new Set()]));
  for (const [file, targets] of graph) {
    for (const target of targets) if (room(target) !== room(file)) rooms.get(room(file))?.add(room(target));
  }
  return rooms;
}

/** The largest sets of two or more nodes that reach one another. */
function cycles(graph) {
  const reach = new Map([...graph.keys()].map((node) => [node, reachable(graph, node)]));
  const found = new Map();
  for (const [node, seen] of reach) {
    if (!seen.has(node)) continue;
    const cycle = [...reach]
      .filter(([other, back]) => seen.has(other) && back.has(node))
      .map(([other]) => other);
    found.set(cycle.join(", "), cycle);
  }
  return [...found.values()];
}

function reachable(graph, from) {
  const seen = new Set();
  const open = [...graph.get(from)];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    open.push(...graph.get(node));
  }
  return seen;
}

/** The upward pairs that the best order of the rooms leaves, from the best order of each smaller set. */
function fewestUpward(graph, cycle) {
  const ahead = cycle.map((room) => cycle.map((other) => (graph.get(room).has(other) ? 1 : 0)));
  const fewest = Array(2 ** cycle.length).fill(Infinity);
  fewest[0] = 0;
  for (let placed = 0; placed < fewest.length; placed++) {
    for (const [next, imports] of ahead.entries()) {
      if (placed & (1 << next)) continue;
      const upward = imports.reduce((sum, one, other) => sum + (placed & (1 << other) ? 0 : one), 0);
      const set = placed | (1 << next);
      fewest[set] = Math.min(fewest[set], fewest[placed] + upward);
    }
  }
  return fewest.at(-1);
}

function tell(way, rooms, upward, found) {
  const pairs = sum([...rooms.values()].map((to) => to.size));
  console.log(`  by ${way}: ${rooms.size} rooms, ${pairs} imports between them, ${upward} upward`);
  console.log(
    `    cycles of rooms: ${found.length}${found.map((cycle) => `; ${cycle.join(", ")}`).join("")}`,
  );
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

for (const folder of readdirSync(join(root, "packages")).toSorted()) {
  const graph = importsOf(join(root, "packages", folder, "src"));
  console.log(`${folder}: ${graph.size} files`);
  const circles = cycles(graph);
  console.log(
    `  cycles of files: ${circles.length}${circles.map((cycle) => `; ${cycle.join(", ")}`).join("")}`,
  );

  const byFolder = between(graph, (file) => file.split("/")[0]);
  const found = cycles(byFolder);
  tell("folder", byFolder, sum(found.map((cycle) => fewestUpward(byFolder, cycle))), found);

  const heights = heightsOf(folder);
  if (heights === undefined || [...graph.keys()].some((file) => roomOf(file, heights) === undefined))
    continue;
  const layer = (room) => heights.get(room) ?? Number.NaN;
  const listed = between(graph, (file) => roomOf(file, heights));
  const upward = [...listed].map(
    ([room, to]) => [...to].filter((other) => layer(other) >= layer(room)).length,
  );
  tell("layers.mjs", listed, sum(upward), cycles(listed));
}
