import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const documents = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
const read = (name: string): string => readFileSync(join(root, "docs", name), "utf8");
const troubleshooting = read("troubleshooting.md");

/**
 * All messages of the programs. Strings that the sources put together over several lines are in one piece.
 */
const sources = ["relay", "client", "cluster", "gate", "cli", "config", "protocol", "shared", "stdio"]
  .flatMap((name) =>
    readdirSync(join(root, "packages", name, "src"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => readFileSync(join(root, "packages", name, "src", file), "utf8")),
  )
  .join("\n")
  .replaceAll(/["`] \+\s*["`]/g, "")
  .replaceAll("\\n", "\n");

/** The cells of the tables whose first column has one of these heads. */
function rows(heads: readonly string[]): string[][] {
  const found: string[][] = [];
  let inTable = false;
  for (const line of troubleshooting.split("\n")) {
    const cells = line.startsWith("|")
      ? line
          .split("|")
          .slice(1, -1)
          .map((cell) => cell.trim())
      : [];
    if (cells.length === 0) inTable = false;
    else if (heads.includes(cells[0] ?? "")) inTable = true;
    else if (inTable && !line.startsWith("|---")) found.push(cells);
  }
  return found;
}

const quoted = (text: string): string[] =>
  [...text.matchAll(/`([^`]+)`/g)].map((match) => match[1] as string);

/** The fixed parts of a message, without the places marked `...`. */
const fragments = (message: string): string[] =>
  message
    .split("...")
    .map((part) => part.replace(/^[:;,]/, "").trim())
    .filter((part) => /[a-z]/.test(part));

/** Whether a fragment stands in the sources, or is a reason behind what it is a reason for, and both do. */
const isSaid = (fragment: string): boolean =>
  sources.includes(fragment) || fragment.split(": ").every((part) => sources.includes(part));

/** What other programs say, and what is written into their files. */
const ofOthers = [
  /^Blocked request$|^Invalid Host header$/,
  /^upstream sent too big header$|^proxy_|^header_up /,
  /^the proxy answered 407$/,
  /certificate$|certificate's altnames$/,
  /^npm /,
  /^other side closed$|^socket hang up$/,
  /^set -g /,
];

/** Commands, and options of commands. */
const isCommand = (code: string): boolean =>
  /^(mcp-tunnel|mcp-tunnel-client|curl|docker|redis-cli|chmod|find|ss) |^-/.test(code);

describe("docs/troubleshooting.md", () => {
  const messages = rows(["It says", "Reason"]).flatMap(([said = ""]) => quoted(said));

  it("has messages to look for", () => {
    expect(messages.length).toBeGreaterThan(25);
  });

  it.each(messages)("quotes what can be said: %s", (message) => {
    for (const fragment of fragments(message)) expect(isSaid(fragment), fragment).toBe(true);
  });

  it("knows every error of the relay's own, with its status and its text, and no others", () => {
    const table = readFileSync(join(root, "packages/relay/src/http/answer/errors.ts"), "utf8");
    const known = [...table.matchAll(/^ {2}(\w+): \{\s+status: (\d+),\s+text: "([^"]+)"/gm)].map(
      ([, code, status, text]) => `${code} ${status} ${text}`,
    );
    expect(known.length).toBeGreaterThan(15);
    const documented = rows(["`X-Tunnel-Error`"]).map(([code = "", answer = ""]) => {
      return `${quoted(code)[0]} ${answer.slice(0, 3)} ${quoted(answer)[0]}`;
    });
    expect(documented.toSorted()).toEqual(known.toSorted());
  });

  it("quotes in its text and its headlines what can be said, or what others say", () => {
    const text = troubleshooting.replaceAll(/^```[^]*?^```$/gm, "").replaceAll(/\s+/g, " ");
    const phrases = quoted(text).filter((code) => /\S \S/.test(code) && !isCommand(code));
    expect(phrases.length).toBeGreaterThan(100);
    const unknown = phrases.filter(
      (code) => !fragments(code).every(isSaid) && !ofOthers.some((pattern) => pattern.test(code)),
    );
    expect(unknown).toEqual([]);
    const unused = ofOthers.filter((pattern) => !phrases.some((code) => pattern.test(code)));
    expect(unused).toEqual([]);
  });
});

describe.each(documents)("docs/%s", (name) => {
  const text = read(name);

  it("names only options that there are", () => {
    const known = readdirSync(join(root, "packages"))
      .flatMap((one) => {
        const folder = join(root, "packages", one, "src");
        return readdirSync(folder, { recursive: true, encoding: "utf8" }).map((file) => join(folder, file));
      })
      .filter((file) => file.endsWith(".ts") && (/[/\\]cli[/\\]/.test(file) || file.endsWith("limits.ts")))
      .map((file) => readFileSync(file, "utf8"))
      .join("\n");
    // The options of other commands on the same line are not ours.
    const ours = quoted(text).filter((code) => /^--[a-z-]+( |$)/.test(code));
    for (const code of ours) {
      const flag = code.split(" ")[0]?.slice(2) as string;
      expect(known.includes(`--${flag}`) || known.includes(`flag: "${flag}"`), `--${flag} in ${name}`).toBe(
        true,
      );
    }
  });
});
