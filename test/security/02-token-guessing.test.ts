import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { startClientCommand } from "../support/commands.js";
import { startUpstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";
import { startAdminRelay, Scrape } from "../admin/support.js";
import { TestProvider } from "./support/provider.js";
import { type Outcome, tryToRegister } from "./support/raw-peers.js";

/**
 * The attack: try tokens until one fits. Or learn one from the time of a comparison, from the process list or
 * from a log, or by asking a relay's provider without end.
 *
 * The defence: digests are compared in constant time. Each address has a budget of wrong tokens: after that,
 * the relay looks at no token from there and does not ask the provider. Secrets are in files. No token is in
 * any log.
 */
const close = closingAfterEach();

/** Registers from an address, and leaves. */
async function register(port: number, token: string, localAddress: string): Promise<Outcome> {
  const { outcome, peer } = await tryToRegister(port, { token, subdomain: "app" }, localAddress);
  peer.close();
  return outcome;
}

const budget = 10;

describe.each(["static", "provider"])("guessing against %s tokens", (mode) => {
  it("is stopped for its address, before anybody is asked, and for nobody else", async () => {
    const provider = close(await TestProvider.start({ right: ["app"] }));
    const auth =
      mode === "static"
        ? ["--static-token", "right:app"]
        : ["--auth-url", provider.url, "--auth-secret", "s"];
    const limits = ["--max-failed-tokens-per-minute", String(budget), "--limit-exempt", "none"];
    const relay = close(await startAdminRelay([...auth, ...limits]));
    const guesses: Outcome[] = [];
    for (let i = 0; i < budget + 20; i++) guesses.push(await register(relay.port, `guess ${i}`, "127.0.0.1"));
    expect(guesses.slice(0, budget)).toEqual(new Array(budget).fill(4001));
    // 1013 tells the client to come back later. A slot of the budget may have become free meanwhile.
    expect(guesses.slice(budget).filter((code) => code === 1013).length).toBeGreaterThanOrEqual(15);
    if (mode === "provider") expect(provider.asked).toBeLessThanOrEqual(budget + 5);
    // The relay does not look at the right token from there either. Otherwise the guesses would go on.
    expect(await register(relay.port, "right", "127.0.0.1")).toBe(1013);
    expect(await register(relay.port, "right", "127.0.0.2")).toBe("app");
    const hits = (await Scrape.of(relay)).value("mcp_tunnel_limits_hit_total", { limit: "failed_tokens" });
    expect(hits).toBeGreaterThanOrEqual(16);
  });
});

it("registering over and over is slowed down for its address as well, with a right token or without one", async () => {
  const relay = close(
    await startAdminRelay(["--max-registrations-per-minute", "10", "--limit-exempt", "none"]),
  );
  const attempts: Outcome[] = [];
  for (let i = 0; i < 20; i++) attempts.push(await register(relay.port, "t", "127.0.0.1"));
  expect(attempts.slice(0, 10)).toEqual(new Array(10).fill("app"));
  expect(attempts.filter((outcome) => outcome === 429).length).toBeGreaterThanOrEqual(8);
  expect(await register(relay.port, "t", "127.0.0.2")).toBe("app");
});

describe("tokens that could be read somewhere", () => {
  const token = "a-token-that-nobody-may-see";
  const secret = "a-secret-that-nobody-may-see";
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-secrets-"));
    return () => rmSync(folder, { recursive: true });
  });

  it("are in no process list, in no log and in no URL", async () => {
    const tokenFile = join(folder, "token");
    const secretFile = join(folder, "secret");
    writeFileSync(tokenFile, `${token}\n`);
    writeFileSync(secretFile, `${secret}\n`);
    const upstream = close(await startUpstream());
    const provider = close(await TestProvider.start({ [token]: ["app"] }));
    const relay = close(
      await startAdminRelay([
        ...["--auth-url", provider.url, "--auth-secret-file", secretFile, "--log-level", "debug"],
      ]),
    );
    const client = close(
      await startClientCommand(upstream.port, relay.port, ["--token-file", tokenFile, "--subdomain", "app"]),
    );
    const visitor = close(createVisitor(relay.port));
    const headers = { authorization: `Bearer ${token}`, cookie: `session=${secret}` };
    await visitor.text("app", `/status/200?token=${token}`, { headers });
    await visitor.text("nobody", `/?token=${token}`, { headers });
    expect(await register(relay.port, `wrong-${token}`, "127.0.0.1")).toBe(4001);
    // The provider hangs up, so that the relay logs the failed call as well.
    provider.answer = "reset";
    await register(relay.port, `wrong-${token}`, "127.0.0.1");
    await relay.waitFor(
      "line about the provider",
      () => relay.output.includes("auth provider call failed") || undefined,
    );
    expect(provider.secrets).toContain(secret);
    expect(provider.urls.join(" ")).not.toContain(token);
    for (const { pid } of [relay, client]) {
      const commandLine = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      expect(commandLine).not.toContain(token);
      expect(commandLine).not.toContain(secret);
    }
    expect(relay.output).not.toContain(token);
    expect(relay.output).not.toContain(secret);
    // The client shows its user the paths of his own visitors. They may hold the token, other lines may not.
    const own = client.output.replaceAll(`/status/200?token=${token}`, "");
    expect(own).not.toContain(token);
  });

  it("need not be known to the relay at all: a digest does", async () => {
    const digest = createHash("sha256").update(token).digest("hex");
    const relay = close(await startAdminRelay(["--static-token", `sha256:${digest}:app`]));
    expect(await register(relay.port, token, "127.0.0.1")).toBe("app");
    // The digest itself is no token.
    expect(await register(relay.port, digest, "127.0.0.1")).toBe(4001);
    expect(await register(relay.port, `sha256:${digest}`, "127.0.0.1")).toBe(4001);
  });
});
