import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { maxPictureBytes } from "./limit.js";

const path = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));

/** WebP, which Playwright does not make by itself: as good as its size allows, and sharp on a phone. */
export async function save(
  page: Page,
  name: string,
  viewport: { width: number; height: number },
): Promise<void> {
  await page.setViewportSize(viewport);
  const devtools = await page.context().newCDPSession(page);
  for (let quality = 80; quality > 0; quality -= 5) {
    const { data } = await devtools.send("Page.captureScreenshot", {
      format: "webp",
      quality,
      clip: { x: 0, y: 0, ...viewport, scale: 1.5 },
    });
    const bytes = Buffer.from(data, "base64");
    if (bytes.length >= maxPictureBytes) continue;
    mkdirSync(path("docs/pictures"), { recursive: true });
    writeFileSync(path(`docs/pictures/${name}.webp`), bytes);
    console.log(`docs/pictures/${name}.webp: ${bytes.length} bytes, quality ${quality}`);
    return;
  }
  throw new Error(`${name}.webp is too large`);
}
