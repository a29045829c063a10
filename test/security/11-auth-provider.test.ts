import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type AdminRelay, startAdminRelay } from "../admin/support.js";
import { type ClientCommand, startClientCommand, startRelayCommand } from "../support/commands.js";
import { freePort } from "../support/free-port.js";
import { memoryRise, tellsMemory } from "../support/memory.js";
import { startUpstream, type Upstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";
import { closingAfterEach } from "../support/cleanup.js";
import { tryToRegister } from "./support/raw-peers.js";
import { type ProviderAnswer, TestProvider } from "./support/provider.js";

/**
 * The attack: it goes to the service that the relay asks about tokens. The service hangs, lies, sends a
 * gigabyte, or points elsewhere. A relay that waits for ever, believes anything or ends by it suffers from
 * asking.
 *
 * The defence: one deadline for the whole call, a bound for the answer, no redirects, and one more attempt if
 * the first failed in a way that passes. Any answer that is not a proper yes is a no for new clients. Tunnels
 * that are up stay up.
 */
const close = closingAfterEach();
let provider: TestProvider;
let relay: AdminRelay;
let upstream: Upstream;
let client: ClientCommand;
beforeAll(async () => {
  provider = await TestProvider.start({ good: ["app", "new"], evil: ["never"] });
  upstream = await startUpstream();
  relay = await startAdminRelay(["--auth-url", provider.url, "--auth-secret", "secret"]);
  client = await startClientCommand(upstream.port, relay.port, ["--token", "good", "--subdomain", "app"]);
});
afterAll(async () => {
  await client.close();
  await relay.close();
  await Promise.all([provider.close(), upstream.close()]);
});
beforeEach(() => {
  provider.answer = "honest";
  provider.asked = 0;
});

/** Registers. Returns the name, or the code and reason of the refusal. */
async function register(
  port = relay.port,
): Promise<{ name?: string; code?: number; reason?: string; ms: number }> {
  const startedAt = performance.now();
  const { outcome, peer } = await tryToRegister(port, { token: "good", subdomain: "new" });
  const ms = performance.now() - startedAt;
  if (typeof outcome === "string") {
    peer.close();
    return { name: outcome, ms };
  }
  return { ...(await peer.closed), ms };
}

const unavailable = { code: 4001, reason: "auth provider unavailable" };

describe.each<[ProviderAnswer, number]>([
  ["reset", 2],
  ["broken", 2],
  ["redirect", 1],
  ["not json", 1],
  ["lying", 1],
  ["odd patterns", 1],
])("a provider that does this: %s", (answer, attempts) => {
  it("lets nobody in, and is asked no more than it helps", async () => {
    provider.answer = answer;
    expect(await register()).toMatchObject(unavailable);
    expect(provider.asked).toBe(attempts);
  });
});

it("a provider that hangs, or trickles, gets five seconds, and visitors do not wait for it", async () => {
  const other = close(await TestProvider.start({}));
  const otherRelay = close(await startAdminRelay(["--auth-url", other.url, "--auth-secret", "secret"]));
  provider.answer = "hang";
  other.answer = "slow body";
  const visitor = close(createVisitor(relay.port));
  const refused = Promise.all([register(), register(otherRelay.port)]);
  expect((await visitor.text("app", "/status/200")).status).toBe(200);
  for (const { ms, ...outcome } of await refused) {
    expect(outcome).toMatchObject(unavailable);
    expect(ms).toBeGreaterThan(4_500);
    expect(ms).toBeLessThan(8_000);
  }
});

it.skipIf(!tellsMemory)("a provider that answers without end is cut off after 64 KiB", async () => {
  provider.answer = "endless body";
  const [rise] = await memoryRise([relay.pid], async () => {
    expect(await register()).toMatchObject(unavailable);
  });
  expect(rise).toBeLessThan(24 * 1_048_576);
  expect(provider.sentBytes).toBeLessThan(32 * 1_048_576);
});

it.each<ProviderAnswer>(["broken once", "reset once"])(
  "one that fails in passing (%s) is asked a second time, and nobody notices",
  async (answer) => {
    provider.answer = answer;
    expect(await register()).toMatchObject({ name: "new" });
    expect(provider.asked).toBe(2);
  },
);

it("a provider that is gone altogether: tunnels that are up stay, and new ones come when it is back", async () => {
  const visitor = close(createVisitor(relay.port));
  provider.answer = "reset";
  expect(await register()).toMatchObject(unavailable);
  expect((await visitor.text("app", "/status/200")).status).toBe(200);
  provider.answer = "honest";
  expect(await register()).toMatchObject({ name: "new" });
  // The provider's answers are not secrets, but the relay's questions are. Neither is in the log.
  expect(relay.output).not.toContain('"good"');
});

it("does not end a client that comes back to a restarted relay while the provider is gone", async () => {
  const args = ["--auth-url", provider.url, "--auth-secret", "secret", "--port", String(await freePort())];
  const first = close(await startRelayCommand(args));
  const returning = close(
    await startClientCommand(upstream.port, first.port, ["--token", "good", "--subdomain", "new"]),
  );
  provider.answer = "broken";
  first.child.kill("SIGKILL");
  await first.exited;
  const second = close(await startRelayCommand(args));
  await returning.waitFor("attempt that is put off", () =>
    returning.json.find(({ event, message }) => {
      return event === "reconnecting" && String(message).includes("1013: auth provider unavailable");
    }),
  );
  // A client that was not there before is turned away.
  expect(await register(second.port)).toMatchObject(unavailable);
  provider.answer = "honest";
  await returning.waitForJson({ event: "connected", subdomain: "new" }, 2);
});
