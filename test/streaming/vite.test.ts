import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "vite";
import { describe, expect, it } from "vitest";
import { launchBrowser } from "../support/browser.js";
import { closingAfterEach } from "../support/cleanup.js";
import { missingProgram } from "../support/requires.js";
import { startTunnel } from "./support.js";

const page = '<!doctype html><p id="text"></p><script type="module" src="/main.js"></script>';
const main = `
  import { text } from "./text.js";
  const show = (value) => { document.querySelector("#text").textContent = value; };
  show(text);
  import.meta.hot.accept("./text.js", (next) => show(next.text));
`;

describe.skipIf(missingProgram("chromium"))("a Vite dev server in a browser", () => {
  const closing = closingAfterEach();

  it("replaces a module that was edited without loading the page again", { timeout: 60_000 }, async () => {
    const root = await realpath(await mkdtemp(join(tmpdir(), "vite-")));
    closing({ close: () => rm(root, { recursive: true }) });
    await writeFile(join(root, "index.html"), page);
    await writeFile(join(root, "main.js"), main);
    await writeFile(join(root, "text.js"), 'export const text = "before";');
    // The server has no option for the tunnel, not even its host name.
    const vite = closing(
      await createServer({
        root,
        configFile: false,
        logLevel: "error",
        server: { host: "127.0.0.1", port: 0 },
      }),
    );
    const { httpServer } = await vite.listen();
    const address = httpServer?.address() as AddressInfo;
    const tunnel = closing(await startTunnel(address.port, ["--domain", "tunnel.test"]));

    const browser = closing(await launchBrowser());
    const tab = await browser.newPage();
    const sockets: string[] = [];
    tab.on("websocket", (socket) => sockets.push(new URL(socket.url()).host));
    let loads = 0;
    tab.on("load", () => (loads += 1));
    const connected = tab.waitForEvent("console", (message) => message.text() === "[vite] connected.");
    await tab.goto(tunnel.client.url);
    await tab.waitForFunction('document.querySelector("#text").textContent === "before"');
    await connected;

    await writeFile(join(root, "text.js"), 'export const text = "after";');
    await tab.waitForFunction('document.querySelector("#text").textContent === "after"');
    expect(loads).toBe(1);
    expect(sockets).toEqual([new URL(tunnel.client.url).host]);
  });
});
