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

/** Fails for each violation that axe-core finds in what is shown. The context needs `bypassCSP`. */
export async function expectAccessible(page: Page): Promise<void> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run());
  const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`);
  expect(told).toEqual([]);
}
