import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

// What npm shows of the packages: words to find them by, where they come from, and links that lead somewhere.

interface Repository {
  url: string;
  revision: string;
}
/** scripts/published.mjs, which has no declarations. */
interface Published {
  repositoryOf(env: NodeJS.ProcessEnv): Repository | undefined;
  publishedManifest(manifest: Record<string, unknown>, folder: string, repository: Repository): unknown;
  publishedReadme(text: string, folder: string, repository: Repository, root: string): string;
}
const script = new URL("../../scripts/published.mjs", import.meta.url).href;
const { publishedManifest, publishedReadme, repositoryOf } = (await import(script)) as Published;

const root = fileURLToPath(new URL("../..", import.meta.url));
interface Manifest extends Record<string, unknown> {
  name: string;
  private?: boolean;
}
const packages = readdirSync(join(root, "packages")).flatMap((name) => {
  const folder = `packages/${name}`;
  const manifest = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8")) as Manifest;
  return manifest.private === true ? [] : [{ name: manifest.name, folder, manifest }];
});
const repository: Repository = { url: "https://git.example/owner/tunnel", revision: "0123abc" };
/** The targets of the links in a text of Markdown. */
const linksIn = (text: string): string[] =>
  [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, target = ""]) => target);

describe.each(packages)("the package $name", ({ folder, manifest }) => {
  it("has words by which it is found, and names the repository once that is known", () => {
    expect(manifest).toMatchObject({
      description: expect.stringMatching(/\w/),
      license: "Apache-2.0",
      keywords: expect.arrayContaining([expect.stringMatching(/^mcp/)]),
    });
    const published = publishedManifest(manifest, folder, repository);
    expect(published).toEqual({
      ...manifest,
      repository: { type: "git", url: "git+https://git.example/owner/tunnel.git", directory: folder },
      homepage: `https://git.example/owner/tunnel/tree/HEAD/${folder}#readme`,
      bugs: { url: "https://git.example/owner/tunnel/issues" },
    });
  });

  it("has a README whose links hold without the repository, and lead to what is there", () => {
    const text = readFileSync(join(root, folder, "README.md"), "utf8");
    const published = publishedReadme(text, folder, repository, root);
    const [before, after] = [linksIn(text), linksIn(published)];
    expect(after).toHaveLength(before.length);
    for (const [at, link] of after.entries()) {
      // Links that were absolute, or within the page, are as they were.
      if (/^(https?:|#)/.test(before[at] ?? "")) expect(link).toBe(before[at]);
      else {
        const [, path = ""] =
          /^https:\/\/git\.example\/owner\/tunnel\/blob\/0123abc\/([^#]+)/.exec(link) ?? [];
        expect(existsSync(join(root, path)), link).toBe(true);
        expect(link.split("#")[1]).toBe(before[at]?.split("#")[1]);
      }
    }
  });
});

describe("links of a README", () => {
  const publish = (text: string): string => publishedReadme(text, "packages/relay", repository, root);

  it("become absolute, with their anchors, wherever they lead in the repository", () => {
    const blob = "https://git.example/owner/tunnel/blob/0123abc";
    expect(publish("[a](../../docs/deploy.md#the-doctor) and [b](src/index.ts)")).toBe(
      `[a](${blob}/docs/deploy.md#the-doctor) and [b](${blob}/packages/relay/src/index.ts)`,
    );
    const others = "[a](https://example.com/a) [b](#limits) [c](mailto:a@example.com)";
    expect(publish(others)).toBe(others);
  });

  it.each(["../../docs/nowhere.md", "../../../outside.md"])("must lead to a file: not to %s", (path) => {
    expect(() => publish(`[a](${path})`)).toThrow(`packages/relay/README.md: '${path}' is no file`);
  });
});

it("the repository is the one of the workflow, and none elsewhere", () => {
  const env = { GITHUB_SERVER_URL: "https://git.example", GITHUB_REPOSITORY: "owner/tunnel" };
  expect(repositoryOf({ ...env, GITHUB_SHA: "0123abc" })).toEqual(repository);
  expect(repositoryOf({})).toBeUndefined();
});
