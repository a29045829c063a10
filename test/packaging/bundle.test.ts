import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Format } from "esbuild";
import { beforeAll, describe, expect, it } from "vitest";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { RunningCommand } from "../support/commands.js";
import { createVisitor } from "../support/visitor.js";
import { commandsContract } from "./commands-contract.js";

const packages = fileURLToPath(new URL("../../packages/", import.meta.url));
const scripts = fileURLToPath(new URL("../../scripts/", import.meta.url));
const closing = closingAfterEach();

const manifestOf = (name: string): { version: string } =>
  JSON.parse(readFileSync(join(packages, name, "package.json"), "utf8")) as { version: string };

/** Each command in one CommonJS file, in a folder from which Node finds no package. */
const files = { relay: "", client: "" };
const bundled = createFolder();
beforeAll(() => {
  for (const [part, command] of [
    ["relay", "mcp-tunnel"],
    ["client", "mcp-tunnel-client"],
  ] as const) {
    execFileSync(process.execPath, [join(scripts, "bundle.mjs"), command, bundled.path]);
    files[part] = join(bundled.path, `${command}.cjs`);
  }
  return () => bundled.close();
});

const run = (file: string, ...args: string[]): RunningCommand =>
  closing(new RunningCommand(process.execPath, [file, ...args]));

describe("a version in the sources", () => {
  it.each(["client", "cli", "relay", "stdio"])("is that of the manifest: %s", async (name) => {
    const { version } = (await import(join(packages, name, "dist", "version.js"))) as { version: string };
    expect(version).toBe(manifestOf(name).version);
  });
});

describe("commands that were bundled into one CommonJS file each", () => {
  commandsContract(
    {
      relay: (args, options) =>
        closing(new RunningCommand(process.execPath, [files.relay, ...args], options)),
      client: (args, options) =>
        closing(new RunningCommand(process.execPath, [files.client, ...args], options)),
    },
    manifestOf("cli").version,
  );

  it("are the same wherever they are made", () => {
    const elsewhere = closing(createFolder());
    const script = join(scripts, "bundle.mjs");
    execFileSync(process.execPath, [script, "mcp-tunnel-client", elsewhere.path], { cwd: elsewhere.path });
    const [one, other] = [files.client, join(elsewhere.path, "mcp-tunnel-client.cjs")].map((file) =>
      readFileSync(file, "utf8"),
    );
    expect(one === other).toBe(true);
    expect(one?.includes(packages)).toBe(false);
  });

  it("have with them the licences of all that is in them", () => {
    const licences = readFileSync(join(bundled.path, "THIRD-PARTY-LICENSES.txt"), "utf8");
    // The client's is written last. What the inspector's page is made of is a text in the bundle.
    for (const name of ["ws", "undici", "oidc-provider", "@modelcontextprotocol/server", ...pagePackages()]) {
      expect(licences).toMatch(new RegExp(`^${name} \\d`, "m"));
    }
  });
});

/** The packages of others that the sources of the inspector's page import. */
function pagePackages(): string[] {
  const files = [join(packages, "inspector", "page", "src"), join(packages, "page", "src")].flatMap(
    (folder) => readdirSync(folder, { recursive: true, encoding: "utf8" }).map((file) => join(folder, file)),
  );
  const sources = files.filter((file) => /\.tsx?$/.test(file));
  const texts = sources.map((file) => readFileSync(file, "utf8"));
  const imported = texts.flatMap((text) => text.match(/(?<=from ")(?:@[^/"]+\/)?[^@./"][^/"]*/g) ?? []);
  expect(imported).not.toEqual([]);
  return [...new Set(imported)].filter((name) => name !== "mcp-tunnel-page");
}

describe("programs that embed the libraries, bundled by esbuild", () => {
  const program = `
    import { createServer } from "node:http";
    import { createRelay } from "mcp-tunnel";
    import { startTunnelClient } from "mcp-tunnel-client";
    const service = createServer((req, res) => res.end("hello from " + req.url)).listen(0, "127.0.0.1", async () => {
      const relay = createRelay({ domain: "localhost", host: "127.0.0.1", port: 0 });
      const { port } = await relay.listen();
      const relayUrl = "http://127.0.0.1:" + port;
      const client = await startTunnelClient({ port: service.address().port, relayUrl, token: "t", subdomain: "app" });
      console.log(JSON.stringify({ port, url: client.url }));
      process.once("SIGTERM", async () => {
        await client.close();
        await relay.close(0);
        service.close();
      });
    });
  `;

  // A folder whose package.json has no version, as those of apps often are.
  it.each<[Format, string, object]>([
    ["esm", "program.mjs", {}],
    ["esm", "program.js", { type: "module" }],
    ["cjs", "program.cjs", { type: "module" }],
    ["cjs", "program.js", {}],
  ])("carry a request as %s in %s", async (format, name, manifest) => {
    const folder = closing(createFolder());
    folder.write("package.json", JSON.stringify(manifest));
    const { metafile } = await build({
      stdin: { contents: program, resolveDir: fileURLToPath(new URL("..", import.meta.url)) },
      outfile: join(folder.path, name),
      bundle: true,
      metafile: true,
      platform: "node",
      target: "node20.19",
      format,
      // What esbuild makes of require() has none in a module, and some packages are CommonJS.
      ...(format === "esm" && { banner: { js: requireInModules } }),
      logLevel: "error",
    });
    // The relay that hands out no client has none in it.
    const [output] = Object.values(metafile.outputs);
    const bytes = output?.inputs["packages/relay/dist/built-client.js"]?.bytesInOutput ?? 0;
    expect(bytes).toBe(0);
    const command = run(join(folder.path, name));
    const { port } = await command.waitFor("URL", () => command.json[0]);
    const visitor = closing(createVisitor(Number(port)));
    expect(await visitor.text("app", "/x")).toEqual({ status: 200, text: "hello from /x" });
    expect((await command.close()).code).toBe(0);
  });
});

const requireInModules =
  'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';
