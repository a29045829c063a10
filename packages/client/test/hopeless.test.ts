import { createServer as createSecureServer } from "node:https";
import { once } from "node:events";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { TunnelError } from "mcp-tunnel-protocol";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { createAuthority } from "../../../test/support/certificates.js";
import { startCannedServer } from "../../../test/support/raw-server.js";
import { startTunnelClient, TunnelClient } from "../src/client.js";
import { TestRelay } from "./test-relay.js";

// No resolver of a network is asked: what it says of a name that does not exist differs.
vi.mock("node:dns", async (original) => ({
  ...(await original<object>()),
  lookup: (name: string, _options: object, done: (error: Error) => void) => {
    const code = name.startsWith("missing") ? "ENOTFOUND" : "EAI_AGAIN";
    process.nextTick(done, Object.assign(new Error(`getaddrinfo ${code} ${name}`), { code }));
  },
}));

const closing = closingAfterEach();

function portOf(server: { address(): AddressInfo | string | null }): number {
  return (server.address() as AddressInfo).port;
}

/** A web server that answers everything with `status`. */
async function startWeb(status: number): Promise<Server> {
  const server = createServer((_request, response) => response.writeHead(status).end());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return closing(server);
}

/** A port with TLS, whose certificate nobody vouches for. It is valid from yesterday on, for so many days. */
async function startSecure(names: readonly string[], days = 30): Promise<number> {
  const pair = await (await createAuthority()).issue(names, { days });
  const server = createSecureServer(pair);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing(server);
  return portOf(server);
}

async function failureOf(options: { relayUrl: string; proxyUrl?: string }): Promise<TunnelError> {
  const error: unknown = await startTunnelClient({ port: 3000, ...options }).then(
    (client) => client.close(),
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code: "unreachable" });
  return error as TunnelError;
}

describe("no hope for the first connection", () => {
  it.each([200, 204, 302, 400, 401, 403, 404, 426])("is there after an answer with %i", async (status) => {
    const relayUrl = `http://127.0.0.1:${portOf(await startWeb(status))}`;
    const error = await failureOf({ relayUrl });
    expect(error.message).toMatch(`${relayUrl}/_tunnel/register answered ${status}`);
    expect(error.isHopeless).toBe(true);
  });

  it.each([408, 429, 500, 502, 503, 504])("is not said after %i, which may pass", async (status) => {
    const error = await failureOf({ relayUrl: `http://127.0.0.1:${portOf(await startWeb(status))}` });
    expect(error).not.toHaveProperty("isHopeless");
  });

  it("is there for a name that does not exist, and not while the resolver fails", async () => {
    const missing = await failureOf({ relayUrl: "missing.test" });
    expect(missing.message).toBe(
      "cannot reach the relay at https://missing.test: getaddrinfo ENOTFOUND missing.test (no such name in " +
        "the DNS: is it spelled rightly, and is this machine online?)",
    );
    expect(missing.isHopeless).toBe(true);
    const away = await failureOf({ relayUrl: "wss://away.test" });
    expect(away.message).toMatch(/at wss:\/\/away\.test: .*EAI_AGAIN .* \(no answer from the name server/);
    expect(away).not.toHaveProperty("isHopeless");
  });

  it("is there for TLS to a port without it, and the other way round", async () => {
    const plain = portOf(await startWeb(200));
    expect(await failureOf({ relayUrl: `https://127.0.0.1:${plain}` })).toMatchObject({
      message: `cannot reach the relay at https://127.0.0.1:${plain}: it answers without TLS: use http://`,
      isHopeless: true,
    });
    const secure = await startSecure(["relay.test"]);
    expect(await failureOf({ relayUrl: `http://127.0.0.1:${secure}` })).toMatchObject({
      message: `cannot reach the relay at http://127.0.0.1:${secure}: it speaks TLS: use https://`,
      isHopeless: true,
    });
  });

  it.each([
    ["of an unknown authority", 30, /unable to verify the first certificate.*NODE_EXTRA_CA_CERTS/],
    ["that has expired", 0.5, /certificate has expired \(it has to be renewed there/],
  ])("is there for a certificate %s", async (_what, days, message) => {
    const secure = await startSecure(["127.0.0.1"], days);
    const error = await failureOf({ relayUrl: `https://127.0.0.1:${secure}` });
    expect(error.message).toMatch(message);
    expect(error.isHopeless).toBe(true);
  });

  it("is there for a port that speaks something else", async () => {
    const ssh = closing(await startCannedServer("SSH-2.0-OpenSSH_9.2\r\n"));
    const error = await failureOf({ relayUrl: `http://127.0.0.1:${ssh.port}` });
    expect(error.message).toMatch(/Parse Error.*: is an mcp-tunnel relay there\?$/);
    expect(error.isHopeless).toBe(true);
  });

  it("is not said of a connection that is refused or closed", async () => {
    const silent = await startCannedServer("");
    const relayUrl = `http://127.0.0.1:${silent.port}`;
    expect(await failureOf({ relayUrl })).not.toHaveProperty("isHopeless");
    await silent.close();
    const refused = await failureOf({ relayUrl });
    expect(refused.message).toMatch(/ECONNREFUSED .* \(nothing listens there: is the relay running/);
    expect(refused).not.toHaveProperty("isHopeless");
  });

  it("is there for a proxy that is none, or refuses", async () => {
    const missing = await failureOf({ relayUrl: "https://relay.test", proxyUrl: "http://missing.test" });
    expect(missing).toMatchObject({ message: expect.stringContaining("ENOTFOUND"), isHopeless: true });
    for (const [status, isHopeless] of [
      [407, true],
      [502, undefined],
    ] as const) {
      const answer = `HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`;
      const proxy = closing(await startCannedServer(answer));
      const proxyUrl = `http://127.0.0.1:${proxy.port}`;
      const refused = await failureOf({ relayUrl: "https://relay.test", proxyUrl });
      expect(refused.message).toContain(`the proxy answered ${status}`);
      expect(refused.isHopeless).toBe(isHopeless);
    }
  });
});

describe("a client that waits unless it is hopeless", () => {
  let attempts: number[];
  let client: TunnelClient;

  function start(relayUrl: string): Promise<void> {
    attempts = [];
    const options = { port: 3000, relayUrl, waitForRelay: "unless_hopeless", shutdownGraceMs: 0 } as const;
    client = closing(new TunnelClient(options));
    client.on("reconnecting", ({ delayMs }) => attempts.push(delayMs));
    return client.start();
  }

  let relay: TestRelay;
  beforeEach(async () => {
    relay = closing(await new TestRelay().listen());
  });

  it("gives up after three attempts, a second apart", async () => {
    const web = await startWeb(404);
    await expect(start(`http://127.0.0.1:${portOf(web)}`)).rejects.toMatchObject({ isHopeless: true });
    expect(attempts).toEqual([1_000, 1_000]);
  });

  it("goes on while there is hope", async () => {
    relay.refusing = true;
    const started = start(relay.url);
    await expect.poll(() => attempts.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(4);
    relay.refusing = false;
    await started;
    expect(client.state).toBe("online");
  });

  it("does not give up what has worked once", async () => {
    await start(relay.url);
    await relay.crash();
    const { port } = relay;
    const web = createServer((_request, response) => response.writeHead(404).end());
    web.listen(port, "127.0.0.1");
    await once(web, "listening");
    await expect.poll(() => attempts.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(4);
    expect(client.state).toBe("reconnecting");
    web.close();
  });
});
