import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { type Fixtures, FixtureServer } from "../../packages/inspector/test/support/fixture-server.js";
import { sessionOf, summaryOf } from "../../packages/inspector/test/support/fixtures.js";
import { browserForAll } from "../support/browser.js";
import { closingAfterEach } from "../support/cleanup.js";
import { missingProgram } from "../support/requires.js";

describe.skipIf(missingProgram("chromium"))("the shell of the inspector's page", () => {
  const closing = closingAfterEach();
  const browser = browserForAll();

  async function open(fixtures: Partial<Fixtures> = {}): Promise<{ page: Page; server: FixtureServer }> {
    const server = closing(await FixtureServer.start(fixtures));
    const context = closing(await browser().newContext());
    const page = await context.newPage();
    return { page, server };
  }

  it("takes the secret out of the URL, and still has it after a reload", async () => {
    const { page, server } = await open();
    await page.goto(server.url("?view=mcp"));
    await page.getByText("online").waitFor();
    await expect.poll(() => page.url()).toBe(`${server.origin}/?view=mcp`);
    await page.reload();
    await page.getByText("online").waitFor();
  });

  it("says where the URL is when it has no secret, and asks the API for nothing", async () => {
    const { page, server } = await open();
    await page.goto(server.origin);
    await page.getByText("opens only with its secret").waitFor();
    expect(server.requests).toEqual([]);
  });

  it("goes on with the secret of a new start, given in the same tab", async () => {
    const { page, server } = await open();
    await page.goto(server.url());
    await page.getByText("online").waitFor();

    server.secret = "another-secret";
    server.dropStreams();
    await page.getByText("an earlier start").waitFor();
    await page.goto(server.url());
    await page.getByText("online").waitFor();
  });

  it("loads nothing that the content security policy forbids", async () => {
    const { page, server } = await open({ sessions: [{ session: sessionOf("s1"), calls: [], tools: [] }] });
    const errors: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") errors.push(message.text());
    });
    page.on("pageerror", (error) => errors.push(String(error)));
    await page.goto(server.url());
    await page.getByText("online").waitFor();
    for (const name of ["MCP", "Traffic"]) await page.getByRole("link", { name, exact: true }).click();
    expect(errors).toEqual([]);
  });

  it("says that the inspector is gone, and is back by itself", async () => {
    const { page, server } = await open({ exchanges: [summaryOf(1)] });
    await page.goto(server.url());
    await page.getByText("1 exchange kept").waitFor();
    server.answers.set("GET stream", (_request, res) => res.destroy());
    server.dropStreams();
    await page.getByText("The inspector does not answer").waitFor();
    server.answers.clear();
    await page.getByText("The inspector does not answer").waitFor({ state: "detached" });
  });

  it("pauses the capture, and deletes what is kept only when asked again", async () => {
    const { page, server } = await open({ exchanges: [summaryOf(1)] });
    await page.goto(server.url());
    await page.getByRole("button", { name: "Pause capture" }).click();
    await page.getByText("Capture is paused").waitFor();
    expect(server.requests.at(-1)).toEqual({ method: "POST", path: "pause", body: '{"paused":true}' });
    await page.getByRole("button", { name: "Resume capture" }).click();
    await page.getByRole("button", { name: "Pause capture" }).waitFor();

    await page.getByRole("button", { name: "Clear" }).click();
    await page.getByRole("dialog").waitFor();
    expect(server.fixtures.exchanges).toHaveLength(1);
    await page.getByRole("button", { name: "Delete all" }).click();
    await expect.poll(() => server.fixtures.exchanges).toEqual([]);
  });

  it("saves a HAR file of what the filters match", async () => {
    const { page, server } = await open();
    await page.goto(server.url("?method=POST"));
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Export HAR" }).click(),
    ]);
    expect(download.suggestedFilename()).toMatch(/^mcp-tunnel-.*\.har$/);
    expect(server.requests.map(({ path }) => path)).toContain("har?method=POST");
  });
});
