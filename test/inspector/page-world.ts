import axe from "axe-core";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { expect } from "vitest";
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

/** The windows in which a page is looked at. */
export const looks = [
  { width: 1_280, height: 800, colorScheme: "dark" },
  { width: 1_280, height: 800, colorScheme: "light" },
  { width: 390, height: 844, colorScheme: "dark" },
  { width: 390, height: 844, colorScheme: "light" },
] as const;

/**
 * Fails for each violation that axe-core finds in what is shown, and if anything sticks out of the window; in
 * wide and narrow windows, dark and light. The context needs `bypassCSP`. `also`: what holds in a window of
 * that width.
 */
export async function expectAccessible(
  page: Page,
  also: (width: number) => Promise<void> = async () => {},
): Promise<void> {
  await page.evaluate(axe.source);
  for (const { width, height, colorScheme } of looks) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme });
    // The list hears of its new size before a frame, and is drawn in the next one.
    await page.evaluate(
      () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
    );
    const { violations } = await page.evaluate(() =>
      (globalThis as unknown as { axe: typeof axe }).axe.run(),
    );
    const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`);
    expect(told, `${width} px, ${colorScheme}`).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    await also(width);
  }
}
