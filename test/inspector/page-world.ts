import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { type Fixtures, FixtureServer } from "../../packages/inspector/test/support/fixture-server.js";

export interface OpenedPage {
  readonly page: Page;
  readonly server: FixtureServer;
  close(): Promise<void>;
}

/** Opens the inspector's page with an API of fixtures. `query`: what it shows, with its question mark. */
export async function openPage(
  browser: Browser,
  fixtures: Partial<Fixtures> = {},
  query = "",
  options: BrowserContextOptions = {},
): Promise<OpenedPage> {
  const server = await FixtureServer.start(fixtures);
  const context = await browser.newContext(options);
  const page = await context.newPage();
  await page.goto(server.url(query));
  await page.getByText("online").waitFor();
  return {
    page,
    server,
    close: async () => {
      await context.close();
      await server.close();
    },
  };
}

/**
 * Presses keys one after the other with no frame between them, as on a machine that is too busy to draw any.
 * What the browser does by itself for a key is left out.
 */
export async function pressAtOnce(page: Page, ...keys: readonly string[]): Promise<void> {
  await page.evaluate(async (names) => {
    for (const key of names) {
      const target = document.activeElement ?? document.body;
      target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
      // Preact renders in a microtask of its own. A task could leave time for a frame.
      for (let turns = 0; turns < 10; turns += 1) await Promise.resolve();
    }
  }, keys);
}
