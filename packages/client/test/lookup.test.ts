import type * as Dns from "node:dns";
import { lookup as systemLookup } from "node:dns";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { startTunnelClient } from "../src/client.js";
import { upstreamFailure } from "../src/service/http/errors.js";
import { parseTarget } from "../src/service/http/target.js";
import { lookup, ServiceLookup } from "../src/net/lookup.js";
import { startRig, visit } from "./relay-side.js";
import { TestRelay } from "./test-relay.js";

vi.mock("node:dns", async (original) => {
  const dns = await original<typeof Dns>();
  return { ...dns, lookup: vi.fn() };
});

const system = vi.mocked(systemLookup) as unknown as ReturnType<typeof vi.fn>;
const closing = closingAfterEach();

const families = ["127.0.0.1"];
if (Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"))) {
  families.push("::1");
}

/** A local service that listens on one address, and answers with it. */
async function serveOn(address: string): Promise<number> {
  const server = createServer((_req, res) => res.end(address));
  server.on("upgrade", (_req, socket) => {
    socket.end(`HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${address.length}\r\n\r\n${address}`);
  });
  server.listen(0, address);
  await once(server, "listening");
  closing({
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  });
  return (server.address() as AddressInfo).port;
}

beforeEach(() => {
  // A resolver that knows no name of this machine. musl's resolver does not know the names below `localhost`.
  system.mockReset();
  system.mockImplementation((name: string, _options: unknown, callback: (error: Error) => void) =>
    process.nextTick(callback, new Error(`getaddrinfo ENOTFOUND ${name}`)),
  );
});

describe.each(["localhost", "app.localhost"])("the local service at %s", (hostname) => {
  it.each(families)("is found where it listens, on %s alone", async (address) => {
    const port = await serveOn(address);
    const rig = closing(startRig({ target: `http://${hostname}:${port}` }));
    expect((await visit(rig.relay).complete()).text).toBe(address);
    const upgrade = await visit(rig.relay, { headers: ["Upgrade", "x"], upgrade: true }).complete();
    expect(upgrade.text).toBe(address);
    expect(system).not.toHaveBeenCalled();
  });
});

describe("a local service that is not running", () => {
  it("is looked for at both addresses", async () => {
    const rig = closing(startRig({ port: 1 }));
    expect((await visit(rig.relay).cut()).message).toBe(
      "cannot reach http://localhost:1: connection refused at [::1]:1 and 127.0.0.1:1 (is the local service running?)",
    );
  });

  it("is what a machine without IPv6 tells of too", () => {
    const notThere = Object.assign(new Error("no ::1"), { code: "EADDRNOTAVAIL", address: "::1", port: 1 });
    const refused = Object.assign(new Error("refused"), {
      code: "ECONNREFUSED",
      address: "127.0.0.1",
      port: 1,
    });
    const error = Object.assign(new AggregateError([notThere, refused]), { code: notThere.code });
    const { message } = upstreamFailure(error, parseTarget("http://localhost:1"), false);
    expect(message).toContain(
      "connection refused at [::1]:1 and 127.0.0.1:1 (is the local service running?)",
    );
  });
});

it("a relay at a name below localhost is reached on this machine, where nothing is masked", async () => {
  const relay = closing(await new TestRelay().listen());
  const client = closing(
    await startTunnelClient({ port: 3000, relayUrl: `http://relay.localhost:${relay.port}`, token: "t" }),
  );
  expect(client.url).toBeDefined();
  expect(system).not.toHaveBeenCalled();
});

describe("lookup", () => {
  const ask = (hostname: string, options: { all?: boolean }): Promise<unknown> =>
    new Promise((resolve, reject) =>
      lookup(hostname, options, (error, address) => (error === null ? resolve(address) : reject(error))),
    );

  it.each(["localhost", "LOCALHOST", "localhost.", "app.localhost", "a.b.localhost"])(
    "knows that %s is this machine",
    async (hostname) => {
      expect(await ask(hostname, { all: true })).toEqual([
        { address: "::1", family: 6 },
        { address: "127.0.0.1", family: 4 },
      ]);
    },
  );

  it.each(["box.lan", "notlocalhost", "localhost.example.com", "localhost.."])(
    "asks the system about %s",
    async (hostname) => {
      await expect(ask(hostname, { all: true })).rejects.toThrow(`ENOTFOUND ${hostname}`);
    },
  );
});

describe("where a service was found", () => {
  const addresses = (service: ServiceLookup): Promise<string[]> =>
    new Promise((resolve, reject) =>
      service.lookup("localhost", { all: true }, (error, found) =>
        error === null
          ? resolve((found as { address: string }[]).map(({ address }) => address))
          : reject(error),
      ),
    );
  const at = (remoteFamily: string): Socket => ({ remoteFamily }) as Socket;
  const usual = ["::1", "127.0.0.1"];

  it("goes first for a second, and then ::1 again, however many connections were made", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    try {
      const service = new ServiceLookup();
      service.connected(at("IPv6"));
      expect(await addresses(service)).toEqual(usual);
      service.connected(at("IPv4"));
      vi.advanceTimersByTime(999);
      expect(await addresses(service)).toEqual(["127.0.0.1", "::1"]);
      service.connected(at("IPv4"));
      vi.advanceTimersByTime(1);
      expect(await addresses(service)).toEqual(usual);
    } finally {
      vi.useRealTimers();
    }
  });

  it.skipIf(!families.includes("::1"))("is not kept to when nothing listens there", async () => {
    const port = await serveOn("::1");
    const service = new ServiceLookup();
    service.connected(at("IPv4"));
    const socket = connect({ host: "localhost", port, autoSelectFamily: true, lookup: service.lookup });
    await once(socket, "connect");
    expect(socket.remoteAddress).toBe("::1");
    socket.destroy();
  });

  it("is not given up for the other address in a moment when this process is busy", async () => {
    const port = await serveOn("127.0.0.1");
    const service = new ServiceLookup();
    service.connected(at("IPv4"));
    const socket = connect({ port, host: "localhost", ...service.connectOptions("localhost", 5_000) });
    // Node's time limit for one of several addresses passes before Node hears that it is connected.
    socket.once("connectionAttempt", () =>
      process.nextTick(() => {
        for (const startedAt = performance.now(); performance.now() - startedAt < 300; );
      }),
    );
    await once(socket, "connect");
    expect(socket.remoteAddress).toBe("127.0.0.1");
    socket.destroy();
  });
});
