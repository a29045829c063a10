import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launchBrowser } from "../../support/browser.js";
import { closingAfterEach } from "../../support/cleanup.js";
import { missingProgram } from "../../support/requires.js";
import { type Relays, schemes, startRelays } from "./relays.js";
import { startNext } from "./software/next.js";
import { missingNode } from "./software/node.js";
import { startWebpack } from "./software/webpack.js";

const isMissing = missingProgram("chromium") || missingNode();

/** Replaces `before` in a file by `after`, as a developer does. */
async function edit(file: string, before: string, after: string): Promise<void> {
  await writeFile(file, (await readFile(file, "utf8")).replace(before, after));
}

describe.skipIf(isMissing).each(schemes)("a development server in a browser, over %s", (scheme) => {
  const closing = closingAfterEach();
  let relays: Relays;
  beforeAll(async () => {
    relays = await startRelays();
  });
  afterAll(() => relays?.close());

  /** A page of the tunnel to the service, and the number of times it was loaded. */
  async function visit(port: number): Promise<{ page: Page; loads: () => number }> {
    const tunnel = closing(await relays.connect(scheme, port, ""));
    const browser = closing(
      await launchBrowser([
        "--host-resolver-rules=MAP *.tunnel.example 127.0.0.1",
        "--ignore-certificate-errors",
      ]),
    );
    const page = await browser.newPage();
    let loads = 0;
    page.on("load", () => (loads += 1));
    await page.goto(tunnel.origin);
    return { page, loads: () => loads };
  }

  it("takes a server action of Next's, and shows what was edited", { timeout: 90_000 }, async () => {
    const service = closing(await startNext());
    const { page, loads } = await visit(service.port);
    // When its script has taken the form over, the script makes the request and the page stays.
    await page.waitForFunction(
      'Object.keys(document.querySelector("form")).some((key) => key.startsWith("__react"))',
    );
    await page.fill("input[name=user]", "ada");
    await page.click("button");
    await page.getByText("hello ada").waitFor();

    await edit(join(service.folder, "app/welcome/page.js"), "hello", "good day");
    await page.getByText("good day ada").waitFor();
    expect(loads()).toBe(1);
  });

  it("replaces a module of webpack's that was edited", { timeout: 60_000 }, async () => {
    const service = closing(await startWebpack());
    const { page, loads } = await visit(service.port);
    await page.getByText("a page of webpack").waitFor();

    await edit(join(service.folder, "src/main.js"), "a page", "another page");
    await page.getByText("another page of webpack").waitFor();
    expect(loads()).toBe(1);
  });
});
