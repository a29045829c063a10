import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll } from "vitest";

/**
 * Debian's Chromium, with further `args`. In it, `tunnel.test` and every name under it are this machine.
 * Check for `chromium` first (requires.ts).
 */
export function launchBrowser(args: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--host-resolver-rules=MAP tunnel.test 127.0.0.1,MAP *.tunnel.test 127.0.0.1",
      ...args,
    ],
  });
}

/**
 * For each step in a page, in milliseconds. A test may take longer, so a failure names the step that hung.
 */
const stepTimeoutMs = 10_000;

/** The same for all tests of a `describe`, from the first to the last. They ask for it while they run. */
export function browserForAll(): () => Browser {
  let browser: Browser | undefined;
  beforeAll(async () => {
    browser = await launchBrowser();
    browser.on("context", (context) => context.setDefaultTimeout(stepTimeoutMs));
  });
  afterAll(() => browser?.close());
  return () => browser as Browser;
}
