import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { type GatedWorld, key, passcode, startGatedWorld, user } from "./support/gated-world.js";
import { askTokens, beginToConnect, connect, formToken, redemption } from "./support/oauth-visit.js";

/**
 * The attack: somebody reads a log, an event of `--json`, a picture of a screen, or a page with an error, and
 * finds what opens the gate.
 *
 * The defence: no text of an answer or an event has a secret of the gate, and what was shown comes back in no
 * answer.
 */
const said: string[] = [];
const log = (...what: unknown[]): void => void said.push(JSON.stringify(what));
const spies = (["log", "info", "warn", "error", "debug"] as const).map((level) => vi.spyOn(console, level));
let world: GatedWorld;
beforeAll(async () => {
  world = await startGatedWorld(undefined, { logger: { debug: log, info: log, warn: log, error: log } });
  for (const name of ["request", "fault", "refused", "connected"] as const) world.tunnel.client.on(name, log);
});
afterEach(() => {
  for (const spy of spies) expect(spy).not.toHaveBeenCalled();
});
afterAll(() => world.close());

const credentials = Buffer.from(`${user.name}:${user.password}`).toString("base64");

it("no secret is in an event, in the relay's log or on the console", async () => {
  const { tunnel } = world;
  const { browser, page, answer, tokens, verifier, ...rest } = await connect(tunnel);
  const refreshed = await askTokens(tunnel, {
    ...{ grant_type: "refresh_token", refresh_token: tokens.refresh_token, client_id: rest.clientId },
  });
  const later = JSON.parse(refreshed.text) as { access_token: string; refresh_token: string };
  for (const shown of [key, tokens.access_token, "a-wrong-one-of-a-stranger"]) {
    await tunnel.ask("/mcp", { headers: { authorization: `Bearer ${shown}` } });
    await tunnel.ask("/mcp", { headers: { "x-api-key": shown } });
  }
  await tunnel.ask("/mcp", { headers: { authorization: `Basic ${credentials}` } });
  // A code that comes twice makes most of what there is to tell.
  await askTokens(tunnel, redemption({ ...rest, tunnel, browser, page, verifier }, answer));

  const secrets = [
    ...[key, passcode, user.password, credentials, verifier, formToken(page), "a-wrong-one-of-a-stranger"],
    ...[tokens.access_token, tokens.refresh_token, later.access_token, later.refresh_token],
    ...[answer.searchParams.get("code") ?? "", ...browser.cookies.values()],
  ];
  await expect.poll(() => said.join("\n")).toContain("/.mcp-tunnel/token");
  expect(tunnel.events.map(({ type }) => type)).toEqual(
    expect.arrayContaining(["granted", "refused", "revoked"]),
  );
  const all = [...said, JSON.stringify(tunnel.events)].join("\n");
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(15);
    expect(all).not.toContain(secret);
  }
});

it("what was shown comes back in no answer", async () => {
  const { tunnel } = world;
  const shown = "sh0wn-by-somebody-who-mistyped-1";
  const { browser, path, page } = await beginToConnect(tunnel);
  const fields = {
    grant_type: "refresh_token",
    refresh_token: shown,
    client_id: "unknown",
    client_secret: shown,
  };
  const answers = [
    await tunnel.ask("/mcp", { headers: { authorization: `Bearer ${shown}` } }),
    await tunnel.ask("/mcp", {
      method: "POST",
      headers: { "x-api-key": shown, "content-type": "application/json" },
    }),
    await tunnel.ask("/mcp", {
      headers: { authorization: `Basic ${Buffer.from(`a:${shown}`).toString("base64")}` },
    }),
    await tunnel.ask("/mcp", { headers: { authorization: `${shown} x` } }),
    await askTokens(tunnel, fields),
    await askTokens(tunnel, { ...fields, grant_type: shown }),
    await askTokens(tunnel, { grant_type: "authorization_code", code: shown, client_id: "unknown" }),
    await browser.type(path, page, shown),
    await tunnel.ask("/.mcp-tunnel/register", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: `{"client_secret": "${shown}", "redirect_uris": ["x"]}`,
    }),
  ];
  for (const { status, text, headers } of answers) {
    expect(status).toBeGreaterThanOrEqual(400);
    expect(text + JSON.stringify(headers)).not.toContain(shown);
  }
});
