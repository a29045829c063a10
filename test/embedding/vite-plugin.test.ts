import { copyFile, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { launchBrowser } from "../support/browser.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startRelayCommand } from "../support/commands.js";
import { freePort } from "../support/free-port.js";
import { missingProgram } from "../support/requires.js";
import { createVisitor } from "../support/visitor.js";
import { programsIn, startNode, withRelay } from "./programs.js";

/** examples/vite/tunnel-plugin.mjs, with the configuration that docs/embedding.md has for it. */

const root = fileURLToPath(new URL("../..", import.meta.url));
const names = join(root, "test/support/resolve-test-names.mjs");

/** The folder of the release of Vite that this workspace has. */
const viteOf = (workspace: string): string =>
  dirname(createRequire(join(root, workspace, "package.json")).resolve("vite/package.json"));

/** A server of Vite in a program: the first SIGUSR2 restarts it, the second closes it. */
const program = (relayUrl: string): string => `
  import { createServer } from "vite";
  import { tunnel } from "./tunnel-plugin.mjs";
  const server = await createServer({
    configFile: false,
    plugins: [tunnel({ relayUrl: "${relayUrl}", token: "a token" })],
    server: { host: "127.0.0.1", port: 0 },
  });
  await server.listen();
  let signals = 0;
  process.on("SIGUSR2", () => ((signals += 1) === 1 ? server.restart() : server.close()));`;

const project: Record<string, string> = {
  "package.json": '{ "type": "module" }',
  "index.html": '<!doctype html><p id="text"></p><script type="module" src="/main.js"></script>',
  "main.js": `
    import { text } from "./text.js";
    const show = (value) => { document.querySelector("#text").textContent = value; };
    show(text);
    import.meta.hot.accept("./text.js", (next) => show(next.text));`,
  "text.js": 'export const text = "before";',
};

describe("the plugin for Vite", () => {
  const closing = closingAfterEach();
  const releases = [
    ["7", "test"],
    ["8", "examples/vite"],
  ] as const;

  /** A project with the page's configuration, for the relay at this port. */
  async function createProject(vite: string, relayPort: number): Promise<string> {
    const folder = await realpath(await mkdtemp(join(tmpdir(), "vite-plugin-")));
    closing({ close: () => rm(folder, { recursive: true }) });
    const [config = ""] = programsIn(await readFile(join(root, "docs/embedding.md"), "utf8"), "Vite");
    const files = { ...project, "vite.config.js": withRelay(config, `http://tunnel.test:${relayPort}`) };
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    await copyFile(join(root, "examples/vite/tunnel-plugin.mjs"), join(folder, "tunnel-plugin.mjs"));
    await mkdir(join(folder, "node_modules"));
    await symlink(vite, join(folder, "node_modules/vite"));
    await symlink(join(root, "packages/client"), join(folder, "node_modules/mcp-tunnel-client"));
    return folder;
  }

  it.skipIf(missingProgram("chromium")).each(releases)(
    "gives a server of Vite %s a URL, until it ends",
    { timeout: 60_000 },
    async (release, workspace) => {
      const vite = viteOf(workspace);
      const { version } = JSON.parse(await readFile(join(vite, "package.json"), "utf8")) as {
        version: string;
      };
      expect(version.split(".")[0]).toBe(release);
      const relay = closing(await startRelayCommand(["--domain", "tunnel.test"]));
      const folder = await createProject(vite, relay.port);
      const args = [join(vite, "bin/vite.js"), "--host", "127.0.0.1", "--port", String(await freePort())];
      // Vite writes in colours where CI is set, also where no terminal is.
      const env = {
        NODE_OPTIONS: `--import=${names}`,
        TUNNEL_TOKEN: "a token",
        NODE_ENV: "development",
        NO_COLOR: "1",
      };
      const server = closing(await startNode(args, { cwd: folder, env }, "➜  Tunnel:"));
      const lineOf = (label: string): number =>
        server.stdout.findIndex((line) => line.includes(`➜  ${label}:`));
      expect(lineOf("Local")).toBeGreaterThan(-1);
      expect(lineOf("Tunnel")).toBeGreaterThan(lineOf("Local"));

      const browser = closing(await launchBrowser());
      const tab = await browser.newPage();
      const sockets: string[] = [];
      tab.on("websocket", (socket) => sockets.push(new URL(socket.url()).host));
      let loads = 0;
      tab.on("load", () => (loads += 1));
      const connected = tab.waitForEvent("console", (message) => message.text() === "[vite] connected.");
      await tab.goto(server.url);
      await tab.waitForFunction('document.querySelector("#text").textContent === "before"');
      await connected;
      await writeFile(join(folder, "text.js"), 'export const text = "after";');
      await tab.waitForFunction('document.querySelector("#text").textContent === "after"');
      expect(loads).toBe(1);
      expect(sockets).toEqual([new URL(server.url).host]);

      // A restart of the server is a tunnel of its own, with the same name, because the token is the same.
      const lines = (): string[] => server.stdout.filter((line) => line.includes("➜  Tunnel:"));
      const before = lines().length;
      await writeFile(
        join(folder, "vite.config.js"),
        `${await readFile(join(folder, "vite.config.js"), "utf8")}\n`,
      );
      await server.waitFor("the URL after a restart", () => lines()[before]);
      expect(lines()[before]).toContain(server.url);
      const visitor = closing(createVisitor(relay.port, "tunnel.test"));
      expect((await visitor.text(server.tunnel, "/text.js")).text).toContain("after");

      await server.close();
      // The name is free at once: it is not kept for a client that may come back.
      const { headers, body } = await visitor.visit(server.tunnel, "/");
      expect(headers["x-tunnel-error"]).toBe("tunnel_not_found");
      await body.dump();
    },
  );

  it.each(releases)(
    "gives a server of Vite %s in a program another tunnel after a restart, and ends both",
    { timeout: 60_000 },
    async (_release, workspace) => {
      const relay = closing(await startRelayCommand(["--domain", "tunnel.test"]));
      const cwd = await createProject(viteOf(workspace), relay.port);
      const code = program(`http://tunnel.test:${relay.port}`);
      const env = { NODE_OPTIONS: `--import=${names}`, NODE_ENV: "development" };
      const args = ["--input-type=module", "--eval", code];
      const server = closing(await startNode(args, { cwd, env }, "➜  Tunnel:"));
      server.child.kill("SIGUSR2");
      const second = (): string | undefined => server.stdout.filter((line) => line.includes("➜  Tunnel:"))[1];
      expect(await server.waitFor("the URL after a restart", second)).toContain(server.url);
      const visitor = closing(createVisitor(relay.port, "tunnel.test"));
      expect((await visitor.text(server.tunnel, "/text.js")).text).toContain("before");
      // A tunnel that stays open would keep the program.
      server.child.kill("SIGUSR2");
      expect(await server.exited).toEqual({ code: 0, signal: null });
    },
  );
});
