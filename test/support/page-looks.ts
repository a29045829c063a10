import axe from "axe-core";
import type { Page } from "playwright-core";
import { expect } from "vitest";

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
