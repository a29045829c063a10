import { existsSync } from "node:fs";
import { posix } from "node:path";
import { describe, expect, it } from "vitest";
import { type Block, readBlocks } from "./blocks.js";
import { lines } from "./own-commands.js";
import { read, root, userPages } from "./pages.js";

/** That a reader of the README comes to each page, and finds there what the README has promised. */

const others = [
  "ARCHITECTURE.md",
  "CONTRIBUTING.md",
  "packages/cluster/PEERS.md",
  "packages/protocol/PROTOCOL.md",
];

/** The text without what stands between fences. */
const prose = (page: string): string => read(page).replaceAll(/^ *```[^]*?^ *```$/gm, "");

interface Link {
  target: string;
  /** The path of the file or folder, in the repository. */
  path: string;
  anchor: string | undefined;
}

function linksOf(page: string): Link[] {
  return [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = ""]) => {
    if (/^(https?|mailto):/.test(target)) return [];
    const [file = "", anchor] = target.split("#");
    return [{ target, path: file === "" ? page : posix.join(posix.dirname(page), file), anchor }];
  });
}

/** The anchor that GitHub makes of a headline. */
const anchorOf = (headline: string): string =>
  headline
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");

function anchors(page: string): string[] {
  const seen = new Map<string, number>();
  return [...prose(page).matchAll(/^#+ (.*)$/gm)].map(([, headline = ""]) => {
    const anchor = anchorOf(headline);
    const before = seen.get(anchor) ?? 0;
    seen.set(anchor, before + 1);
    return before === 0 ? anchor : `${anchor}-${before}`;
  });
}

it.each([...userPages, ...others])("%s links to what is there", (page) => {
  for (const { target, path, anchor } of linksOf(page)) {
    expect(existsSync(posix.join(root, path)), target).toBe(true);
    if (anchor !== undefined) expect(anchors(path), target).toContain(anchor);
  }
});

it("has a way from the README to each page", () => {
  const reached = new Set(["README.md"]);
  // What is added meanwhile is walked too.
  for (const page of reached) {
    for (const { path } of linksOf(page)) if (path.endsWith(".md")) reached.add(path);
  }
  // Packages that only others use are no pages for users.
  const pages = userPages.filter((page) => page.startsWith("docs/"));
  expect(pages.filter((page) => !reached.has(page))).toEqual([]);
});

describe("the README's table of tasks", () => {
  const row = /^\| [^|]+ \| `([^`]+)` \| \[[^\]]+\]\(([^)]+)\) \|$/gm;
  const rows = [...read("README.md").matchAll(row)].map(([, command = "", target = ""]) => ({
    command,
    target,
  }));

  it("leads each task to another place", () => {
    expect(rows.length).toBeGreaterThan(15);
    expect(new Set(rows.map(({ target }) => target)).size).toBe(rows.length);
  });

  it.each(rows)("leads to what begins with the command: $command, $target", ({ command, target }) => {
    const [page = "", anchor] = target.split("#");
    const blocks = readBlocks(anchor === undefined ? beginning(page) : section(page, anchor));
    // What the row has for an example, or to be filled in, may be another one there.
    const words = command.split(" ").filter((word) => /^[a-z-]/.test(word) && !/[:.]/.test(word));
    const has = ({ text }: Block): boolean =>
      lines(text).some((line) => words.every((word) => line.split(" ").includes(word)));
    expect(blocks.some(has), words.join(" ")).toBe(true);
  });
});

/** The page up to the end of its first section. */
function beginning(page: string): string {
  return read(page).split(/^## /m).slice(0, 2).join("## ");
}

function section(page: string, anchor: string): string {
  const sections = read(page).split(/^## /m);
  return sections.find((text) => anchorOf(text.split("\n")[0] ?? "") === anchor) ?? "";
}
