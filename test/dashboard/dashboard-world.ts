import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { FakeRelay, type World } from "../../packages/dashboard/test/support/fake-relay.js";

/** For `expect.poll`: the page asks every two seconds, and a busy machine takes its time. */
export const patience = { timeout: 10_000 };

export interface OpenedDashboard {
  readonly page: Page;
  readonly relay: FakeRelay;
  close(): Promise<void>;
}

/** Opens the dashboard of a fake relay, signed in. `query`: what it shows, with its question mark. */
export async function openDashboard(
  browser: Browser,
  world: Partial<World> = {},
  query = "",
  options: BrowserContextOptions = {},
): Promise<OpenedDashboard> {
  const relay = await FakeRelay.start(world);
  const context = await browser.newContext(options);
  const page = await context.newPage();
  await page.goto(relay.url(query));
  await page.getByText("The relay is ready").waitFor();
  return {
    page,
    relay,
    close: async () => {
      await context.close();
      await relay.close();
    },
  };
}
