import { execFile } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, request } from "node:http";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { builtClientPackage, type ClientPackage, createRelay, type Relay } from "mcp-tunnel";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";

/**
 * The attack: the relay's page, a README or an example says `npx mcp-tunnel-client ... --token TOKEN`, and
 * nobody owns that package. A stranger who registers the name runs code on the laptop of each reader, and
 * gets the tokens.
 *
 * The defence: the product says or shows no command that installs a package of ours by its name. The package
 * is installed from a clone, by path, and then asks no registry for a package of ours.
 */
const root = fileURLToPath(new URL("../..", import.meta.url));
const closing = closingAfterEach();

const runners = new Set(["npx", "pnpx", "bunx"]);
const managers = new Set(["npm", "pnpm", "yarn", "yarnpkg", "bun", "corepack", "deno"]);
const verbs =
  /^(?:exec|x|dlx|i|in|ins|inst|insta|instal|isnt|isnta|isntal|isntall|install|ci|cit|it|add|create|init|innit|global|up|update|upgrade|link)$/;
const ownName = /^(?:npm:)?(?:@[\w.-]+\/)?mcp-tunnel(?:-[\w.-]+)?(?:@.*)?$/;

/**
 * The names of ours that the text tells a package manager to fetch: the commands up to the name, and pages of
 * a registry.
 */
function fetchedNames(text: string): string[] {
  const pages = text.match(/npmjs\.com\/package\/(?:@[\w.-]+\/)?mcp-tunnel[\w-]*/g) ?? [];
  // Markup is no part of a command. The characters that end a command become a word of their own.
  const plain = text.replaceAll(/\\\r?\n/g, " ").replaceAll(/<[^<>\n]*>/g, " ");
  const words = plain.replaceAll(/\r?\n|[;|]|&&/g, " \n ").split(/[^\S\n]+/);
  const commands = words.flatMap((word, at) => {
    const command = bare(word);
    if (!runners.has(command) && !managers.has(command)) return [];
    // In a list of arguments, as for programs that start others, the end of a line does not end the command.
    const isListed = /["']/.test(word);
    const rest = words.slice(at + 1, at + 24).filter((next) => !isListed || next !== "\n");
    const end = rest.indexOf("\n");
    const args = rest.slice(0, end === -1 ? rest.length : end).map(bare);
    if (managers.has(command) && !args.slice(0, 4).some((arg) => verbs.test(arg))) return [];
    const named = args.findIndex((arg) => ownName.test(arg));
    return named === -1 ? [] : [[command, ...args.slice(0, named + 1)].join(" ")];
  });
  return [...pages, ...commands];
}

function bare(word: string): string {
  return word.replaceAll(/^[^\w@.\-/\n]+|[^\w*\-/\n]+$/g, "");
}

/** The files that users read or run, without those that only developers see. */
function* productFiles(folder = root): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const { name } = entry;
    const path = join(folder, name);
    if (entry.isDirectory()) {
      if (["node_modules", "dist", ".git", "coverage", "test", "tmp"].includes(name)) continue;
      yield* productFiles(path);
    } else if (entry.isFile() && name !== "package-lock.json" && !/\.(?:tsbuildinfo|png|tgz)$/.test(name)) {
      yield path;
    }
  }
}

describe("a line that fetches one of our names", () => {
  it.each([
    "npx mcp-tunnel-client 3000 --token TOKEN",
    "npx --yes --package=x mcp-tunnel-client@latest 3000",
    "$ npm install --global mcp-tunnel-client",
    "sudo npm i -g mcp-tunnel@0.1.0",
    "RUN npm add mcp-tunnel-protocol",
    "npm exec -- mcp-tunnel-client",
    "pnpm dlx mcp-tunnel-client",
    "yarn global add mcp-tunnel-client",
    "bunx mcp-tunnel-client",
    "`npm install mcp-tunnel`",
    "<pre>npx <b>mcp-tunnel-client</b> 3000</pre>",
    "npm install --global \\\n  mcp-tunnel-client",
    '{ "command": "npx",\n  "args": ["-y",\n "mcp-tunnel-client"] }',
    "npm install npm:mcp-tunnel-client",
    "see https://www.npmjs.com/package/mcp-tunnel",
    "npx @somebody/mcp-tunnel-client",
  ])("is found: %s", (line) => {
    expect(fetchedNames(line)).toHaveLength(1);
  });

  it.each([
    "npm install --global ./packages/cli",
    "npm ci\nmcp-tunnel-client 3000",
    "npm ci && mcp-tunnel --domain x",
    "mcp-tunnel-client 3000 --relay https://tunnel.example.com",
    "the npm package mcp-tunnel",
    "npx vitest run packages/relay",
  ])("is not taken for one: %s", (line) => {
    expect(fetchedNames(line)).toEqual([]);
  });
});

describe("the package that a relay hands out", () => {
  /** Answers for a registry, which has nothing, and for a relay, which has the client. */
  async function startServer(file: Uint8Array): Promise<{ url: string; asked: string[] }> {
    const asked: string[] = [];
    const server = createServer((req, res) => {
      if (req.url === "/client.tgz") {
        res.end(file);
        return;
      }
      asked.push(decodeURIComponent(req.url ?? ""));
      res.writeHead(404).end("{}");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closing({ close: () => server.close() });
    return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}/`, asked };
  }

  // npm forgets that a package came from a URL: `npm update --global` fetches what has its name.
  it("has a name that nobody can register, for whom npm asks when it updates everything", async () => {
    const built = (await builtClientPackage()) as ClientPackage;
    const { url, asked } = await startServer(built.file);
    const folder = closing(createFolder()).path;
    const npm = (...args: string[]): Promise<unknown> => {
      const settings = [
        "--prefix",
        join(folder, "prefix"),
        "--cache",
        join(folder, "cache"),
        "--registry",
        url,
      ];
      const quiet = ["--fetch-retries=0", "--no-audit", "--no-update-notifier"];
      return promisify(execFile)("npm", [...args, "--global", ...settings, ...quiet], { cwd: folder });
    };
    await npm("install", `${url}client.tgz`);
    expect(asked).toEqual([]);
    const { stdout } = await promisify(execFile)(join(folder, "prefix", "bin", "mcp-tunnel-client"), [
      "--version",
    ]);
    expect(stdout.trim()).toBe(built.version);
    // It fails, because the registry has no such package.
    await expect(npm("update")).rejects.toThrow("E404");
    // The registry takes no new names with capitals:
    // https://docs.npmjs.com/cli/configuring-npm/package-json#name
    expect(asked).toEqual(["/MCP-Tunnel-Client"]);
  });
});

describe("what the product says", () => {
  it("has no such line in sources, documents, examples and workflows", () => {
    const files = [...productFiles()];
    const found = files.flatMap((path) =>
      fetchedNames(readFileSync(path, "utf8")).map((line) => `${relative(root, path)}: ${line}`),
    );
    expect(found).toEqual([]);
    // Without this check, the test would also pass if it read no files.
    for (const part of [
      "README.md",
      "docs/deploy.md",
      ".github/workflows/ci.yml",
      "examples/basic/demo.mjs",
    ]) {
      expect(files).toContain(join(root, part));
    }
  });

  describe("on the relay's own pages", () => {
    let relay: Relay;
    let port: number;
    beforeAll(async () => {
      relay = createRelay({ domain: "tunnel.test", host: "127.0.0.1", port: 0, startupHoldMs: 0 });
      ({ port } = await relay.listen());
    });
    afterAll(() => relay.close(0));

    async function read(host: string, path: string): Promise<string> {
      // Not `fetch`, which writes Host itself.
      const headers = { host, accept: "text/html" };
      const req = request({ port, host: "127.0.0.1", path, headers, agent: false }).end();
      const [res] = (await once(req, "response")) as [IncomingMessage];
      let text = "";
      for await (const chunk of res.setEncoding("utf8")) text += chunk as string;
      return text;
    }

    it("has none either, and sends who wants a tunnel to the operator", async () => {
      const landing = await read("tunnel.test", "/");
      expect(fetchedNames(landing)).toEqual([]);
      expect(landing).toContain("Whoever runs this relay gives out the client");
      for (const [host, path] of [
        ["nobody.tunnel.test", "/"],
        ["tunnel.test", "/_tunnel/register"],
        ["elsewhere.test", "/"],
      ] as const) {
        const text = await read(host, path);
        expect(text).not.toBe("");
        expect(fetchedNames(text)).toEqual([]);
      }
    });
  });
});

describe("the way that the documents tell", () => {
  it.each(["cli", "relay"])("installs packages/%s from the clone and asks no registry", async (name) => {
    const asked: string[] = [];
    const registry = createServer((req, res) => {
      asked.push(req.url ?? "");
      res.writeHead(404).end();
    });
    await new Promise<void>((resolve) => registry.listen(0, "127.0.0.1", resolve));
    closing({ close: () => registry.close() });
    const { port } = registry.address() as { port: number };
    const folder = closing(createFolder());
    const npm = [
      ...[
        "install",
        "--global",
        "--prefix",
        join(folder.path, "prefix"),
        "--cache",
        join(folder.path, "cache"),
      ],
      ...[
        "--registry",
        `http://127.0.0.1:${port}/`,
        "--fetch-retries=0",
        "--no-audit",
        "--no-update-notifier",
      ],
      `./packages/${name}`,
    ];
    await promisify(execFile)("npm", npm, { cwd: root });
    expect(asked).toEqual([]);
    const command = name === "relay" ? "mcp-tunnel" : "mcp-tunnel-client";
    const installed = join(folder.path, "prefix", "bin", command);
    const { stdout } = await promisify(execFile)(installed, ["--version"]);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+/);
  });
});
