import { readdirSync, readFileSync } from "node:fs";
import { posix, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { type Block, readBlocks } from "./blocks.js";

// The pages for users, by their paths in the repository.

/** The folder of the repository. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

export const read = (page: string): string => readFileSync(posix.join(root, page), "utf8");

/** The Markdown files below a folder that a test cares for: not those of installed packages. */
function below(folder: string, isPage: (path: string) => boolean): string[] {
  return readdirSync(posix.join(root, folder), { recursive: true, encoding: "utf8" })
    .map((file) => posix.join(folder, file.replaceAll(sep, "/")))
    .filter((path) => path.endsWith(".md") && !path.includes("/node_modules/") && isPage(path))
    .toSorted();
}

/** The README, the documents, and the pages of packages and examples. */
export const userPages: readonly string[] = [
  "README.md",
  ...below("docs", (path) => !path.startsWith("docs/api/")),
  ...below("packages", (path) => posix.basename(path) === "README.md"),
  ...below("examples", () => true),
];

export interface PageBlock extends Block {
  page: string;
  /** Page and line, for messages. */
  where: string;
}

/** The shell blocks of all pages. */
export const shellBlocks: readonly PageBlock[] = userPages.flatMap((page) =>
  readBlocks(read(page)).map((block) => ({ ...block, page, where: `${page}:${block.line}` })),
);
