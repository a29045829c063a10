import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Format } from "esbuild";
import { beforeAll, describe, expect, it } from "vitest";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { type JsonLine, RunningCommand } from "../support/commands.js";

import { startUpstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";

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

/** Whether there is a process with this id. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe("a version in the sources", () => {
  it.each(["client", "cli", "relay", "stdio"])("is that of the manifest: %s", async (name) => {
    const { version } = (await import(join(packages, name, "dist", "version.js"))) as { version: string };
    expect(version).toBe(manifestOf(name).version);
  });
});

async function startRelay(): Promise<JsonLine> {
  const args = ["--domain", "localhost", "--host", "127.0.0.1", "--port", "0", "--log-format", "json"];
  return run(files.relay, ...args).waitForJson({ msg: "listening" });
}

describe("commands that were bundled into one CommonJS file each", () => {
  it("carry a request through a tunnel", async () => {
    const upstream = closing(await startUpstream());
    const { port } = await startRelay();
    const client = run(
      files.client,
      ...[String(upstream.port), "--relay", `http://127.0.0.1:${String(port)}`],
      ...["--subdomain", "one", "--json"],
    );
    await client.waitForJson({ event: "connected" });
    const visitor = closing(createVisitor(Number(port)));
    expect(await visitor.text("one", "/bytes/5")).toMatchObject({ status: 200 });
    expect(upstream.requests.map(({ path }) => path)).toEqual(["/bytes/5"]);
  });

  it("serve a server on stdio, with whatever ends its processes", async () => {
    const { port } = await startRelay();
    const answer = `process.stdin.once("data", (data) => {
      console.log(JSON.stringify({ jsonrpc: "2.0", id: JSON.parse(data).id, result: { pid: process.pid } }));
    })`;
    const client = run(
      files.client,
      ...["--stdio", "--visitor-auth", "none", "--relay", `http://127.0.0.1:${String(port)}`],
      ...["--subdomain", "one", "--json", "--", process.execPath, "-e", answer],
    );
    await client.waitForJson({ event: "connected" });
    const visitor = closing(createVisitor(Number(port)));
    const reply = await visitor.text("one", "/mcp", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params: {} }),
    });
    expect(reply).toMatchObject({ status: 200 });
    const { result } = JSON.parse(reply.text) as { result: { pid: number } };
    await client.close();
    await expect.poll(() => isAlive(result.pid)).toBe(false);
  });

  it("let visitors in by a key, with OAuth beside it", async () => {
    const upstream = closing(await startUpstream());
    const { port } = await startRelay();
    const state = closing(createFolder());
    const key = "0123456789abcdef";
    const client = closing(
      new RunningCommand(
        process.execPath,
        [
          ...[files.client, String(upstream.port), "--relay", `http://127.0.0.1:${String(port)}`, "--json"],
          ...["--subdomain", "one", "--visitor-auth", "oauth,bearer"],
          ...["--visitor-key-file", state.write("keys", key)],
        ],
        { env: { MCP_TUNNEL_STATE_DIR: join(state.path, "state") } },
      ),
    );
    await client.waitForJson({ event: "connected" });
    const visitor = closing(createVisitor(Number(port)));
    expect(await visitor.text("one", "/bytes/5")).toMatchObject({ status: 401 });
    const headers = { "x-api-key": key };
    expect(await visitor.text("one", "/bytes/5", { headers })).toMatchObject({ status: 200 });
    const metadata = await visitor.text("one", "/.well-known/oauth-authorization-server");
    expect(metadata).toMatchObject({ status: 200, text: expect.stringContaining("authorization_endpoint") });
  });

  it("say their version", async () => {
    const client = run(files.client, "--version");
    await client.exited;
    expect(client.stdout).toEqual([manifestOf("cli").version]);
  });

  it("show the inspector's page", async () => {
    const { port } = await startRelay();
    const client = run(
      files.client,
      ...["3000", "--relay", `http://127.0.0.1:${String(port)}`, "--inspect", "127.0.0.1:0", "--json"],
    );
    const { url } = await client.waitForJson({ event: "inspector" });
    const page = await fetch(String(url));
    expect(await page.text()).toContain("<script");
  });

  it("hand out the client from within, and write a log for people", async () => {
    const args = ["--domain", "localhost", "--port", "0", "--trusted-proxy", "127.0.0.1"];
    const relay = run(files.relay, ...args, "--log-format", "pretty");
    const printed = (text: string): string | undefined => relay.stdout.find((line) => line.includes(text));
    await relay.waitFor("line", () => printed("handed out: npx -y https://localhost/client-"));
    expect(printed("listening on")).toBeDefined();
  });

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

/** The packages that the sources of the inspector's page import. */
function pagePackages(): string[] {
  const folder = join(packages, "inspector", "page", "src");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) =>
    /\.tsx?$/.test(file),
  );
  const texts = files.map((file) => readFileSync(join(folder, file), "utf8"));
  const imported = texts.flatMap((text) => text.match(/(?<=from ")(?:@[^/"]+\/)?[^@./"][^/"]*/g) ?? []);
  expect(imported).not.toEqual([]);
  return [...new Set(imported)];
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
