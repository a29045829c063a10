import { createService } from "mcp-tunnel-client";
import type { ServedTunnel, Service } from "mcp-tunnel-client";
import type { RawHeaders, StreamReset } from "mcp-tunnel-protocol";
import { describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { nodeServer } from "../../client/test/contract-app.js";
import { startRig, visit } from "../../client/test/relay-side.js";
import type { Rig } from "../../client/test/relay-side.js";
import { serviceContract } from "../../client/test/service-contract.js";
import { createGate } from "../src/gate.js";
import type { GateOptions } from "../src/options.js";
import { gated } from "../src/service.js";
import { fakeOAuth, key, keys, origin, otherKey, users } from "./support.js";

const calls: string[] = [];
vi.mock(import("../src/oauth/create.js"), () => ({ createOAuth: async () => fakeOAuth(calls) }));

const closing = closingAfterEach();
const bearer = { keys };
const oauth = { passcode: "a passcode that nobody checks" };

/** Shows the key in the place of the visitors of the contract. */
function showingKey(inner: Service): Service {
  return {
    accept: (stream, head, end, tunnel) =>
      inner.accept(stream, { ...head, headers: [...head.headers, "X-API-Key", key] }, end, tunnel),
    get open() {
      return inner.open;
    },
    begin: (tunnel) => inner.begin?.(tunnel),
    close: () => inner.close(),
  };
}

serviceContract(
  "a service behind a gate",
  async (seen) => {
    const gate = await createGate({ bearer });
    const service = showingKey(gated(createService({ server: nodeServer(seen) }), gate));
    return { options: { service }, close: async () => {} };
  },
  { upgrades: true, interim: true, trailers: true },
);

interface Behind {
  readonly service: Service;
  /** The fields of each request that reached the service. */
  readonly reached: RawHeaders[];
  readonly begun: ServedTunnel[];
}

/** A service that answers at once, and remembers what it got. */
function behind(status = 204, headers: RawHeaders = []): Behind {
  const [reached, begun]: [RawHeaders[], ServedTunnel[]] = [[], []];
  const service: Service = {
    accept(stream, head) {
      reached.push(head.headers);
      stream.sendHead({ status, headers }, true);
      return { onData: (chunk) => stream.consumed(chunk.length), onEnd() {}, onReset() {} };
    },
    open: 0,
    begin: (tunnel) => void begun.push(tunnel),
    close: async () => {},
  };
  return { service, reached, begun };
}

async function start(
  options: GateOptions,
  tunnel: Partial<ServedTunnel> = {},
): Promise<Behind & { readonly rig: Rig }> {
  const inner = behind();
  const service = gated(inner.service, await createGate(options));
  return { ...inner, rig: closing(startRig({ service }, undefined, tunnel)) };
}

const host = ["Host", "demo.relay.test"];

describe("a service with a login of its own behind a gate", () => {
  const withKey = { headers: [...host, "Authorization", `Bearer ${key}`] };

  async function warnings(status: number, challenge: string, options: GateOptions): Promise<string[]> {
    const codes: string[] = [];
    const inner = behind(status, ["WWW-Authenticate", challenge]);
    const service = gated(inner.service, await createGate(options));
    const rig = closing(startRig({ service }, undefined, { warn: ({ code }) => codes.push(code) }));
    for (let i = 0; i < 30; i++) await visit(rig.relay, withKey).complete();
    return codes;
  }

  it("is told of once, because no visitor can show two tokens", async () => {
    expect(await warnings(401, "Bearer resource_metadata=x", { bearer })).toEqual(["own_login"]);
  });

  it("is another thing than a refusal, or a login by password", async () => {
    expect(await warnings(403, "Bearer", { bearer })).toEqual([]);
    expect(await warnings(401, "Basic realm=x", { bearer })).toEqual([]);
  });

  it("works behind a list of addresses, which takes nothing", async () => {
    expect(await warnings(401, "Bearer", { allowAddresses: ["0.0.0.0/0", "::/0"] })).toEqual([]);
  });
});

describe("a gate before a service", () => {
  it("lets only those in who have a proof, and takes it from them", async () => {
    const { rig, reached } = await start({ bearer });
    const refused = await visit(rig.relay).complete();
    expect(refused.head?.status).toBe(401);
    expect(refused.text).toBe("This needs a key.\n");
    const passed = await visit(rig.relay, {
      headers: [...host, "Authorization", `Bearer ${key}`],
    }).complete();
    expect(passed.head?.status).toBe(204);
    expect(reached).toEqual([[...host, "X-Tunnel-User", "laptop"]]);
    expect(rig.service.gate?.kinds).toEqual(["bearer"]);
  });

  it("answers before the body has come, and wants none of it", async () => {
    const { rig, reached } = await start({ bearer });
    const stream = visit(rig.relay, { method: "POST", body: "open" });
    await stream.complete();
    await stream.until(() => stream.reset !== undefined);
    expect([stream.head?.status, stream.reset?.code]).toEqual([401, "no_error"]);
    await vi.waitFor(() => expect(rig.events).toMatchObject([{ status: 401, error: undefined }]));
    expect(reached).toEqual([]);
  });

  it("answers HEAD and upgrades without letting them in", async () => {
    const { rig, reached } = await start({ bearer });
    const head = await visit(rig.relay, { method: "HEAD" }).complete();
    expect([head.head?.status, head.text]).toEqual([401, ""]);
    const headers = [...host, "Connection", "Upgrade", "Upgrade", "websocket"];
    for (const path of ["/", "/.well-known/acme-challenge/a"]) {
      const upgrade = visit(rig.relay, { path, upgrade: true, headers, body: "open" });
      expect((await upgrade.complete()).head?.status).toBe(401);
    }
    expect(reached).toEqual([]);
  });

  it("lets an upgrade with a proof in as it is", async () => {
    const accept = vi.fn<Service["accept"]>((stream) => {
      stream.sendHead({ status: 400, headers: [] }, true);
      return { onData() {}, onEnd() {}, onReset() {} };
    });
    const service = gated({ ...behind().service, accept }, await createGate({ bearer }));
    const rig = closing(startRig({ service }));
    const headers = [...host, "Connection", "Upgrade", "Upgrade", "websocket"];
    const all = [...headers, "X-API-Key", key];
    await visit(rig.relay, { upgrade: true, headers: all, body: "open" }).complete();
    expect(accept.mock.calls[0]?.[1]).toMatchObject({
      upgrade: true,
      headers: [...headers, "X-Tunnel-User", "laptop"],
    });
  });

  it("ends what is open when the key that let it in holds no more, and nothing else", async () => {
    // Somebody holds an event stream open with a key that he has stolen. The owner draws another.
    const over: unknown[] = [];
    const accept: Service["accept"] = (stream, head) => {
      stream.sendHead({ status: 200, headers: [] });
      const onReset = ({ code }: StreamReset): void => void over.push([head.path, code]);
      return { onData: (chunk) => stream.consumed(chunk.length), onEnd: () => stream.end(), onReset };
    };
    const gate = await createGate({ bearer });
    const rig = closing(startRig({ service: gated({ ...behind().service, accept }, gate) }));
    const open = (path: string, shown: string) =>
      visit(rig.relay, { path, method: "POST", headers: [...host, "X-API-Key", shown], body: "open" });
    const [stolen, good, finished] = [open("/stolen", key), open("/good", otherKey), open("/finished", key)];
    finished.stream.end();
    await finished.complete();
    await Promise.all([stolen, good].map((one) => one.until(() => one.head !== undefined)));

    gate.renew({ keys: [{ name: "server", key: otherKey }] });
    expect((await stolen.cut()).code).toBe("refused");
    expect(over).toEqual([["/stolen", "refused"]]);
    good.stream.end();
    expect((await good.complete()).reset).toBeUndefined();
  });

  it("believes the relay about addresses, if it has announced them", async () => {
    const announced = await start({ allowAddresses: ["192.0.2.1"] });
    const from = async (address: string): Promise<number | undefined> =>
      (await visit(announced.rig.relay, { headers: [...host, "X-Tunnel-Visitor", address] }).complete()).head
        ?.status;
    expect([await from("192.0.2.1"), await from("::ffff:192.0.2.1"), await from("192.0.2.2")]).toEqual([
      204, 204, 403,
    ]);
    expect((await visit(announced.rig.relay).complete()).head?.status).toBe(403);
  });

  it.each([
    ["addresses", { allowAddresses: ["192.0.2.1"] }],
    ["short passwords", { basic: { users } }],
  ])(
    "lets nobody in through a relay that tells no addresses, if it needs them for %s",
    async (_what, options) => {
      const { rig, reached } = await start(options, { isVisitorOwn: false });
      const tunnel = { origin, isVisitorOwn: false } as ServedTunnel;
      expect(() => rig.service.begin?.(tunnel)).toThrow(
        expect.objectContaining({
          code: "invalid_option",
          message: expect.stringContaining("which this relay does not tell"),
        }),
      );
      // A program that does not call `begin` gets no further.
      expect(
        (await visit(rig.relay, { headers: [...host, "X-Tunnel-Visitor", "192.0.2.1"] }).cut()).code,
      ).toBe("internal");
      expect(reached).toEqual([]);
    },
  );

  it("begins for each tunnel, and closes the gate behind the service", async () => {
    calls.splice(0);
    const inner = behind();
    const service = gated(inner.service, await createGate({ oauth }));
    const tunnel = (at: string): ServedTunnel => ({ origin: at, isVisitorOwn: true }) as ServedTunnel;
    for (const at of [origin, origin, "https://other.relay.test"]) service.begin?.(tunnel(at));
    expect(calls).toEqual([`begin ${origin}`, `begin ${origin}`, "begin https://other.relay.test"]);
    expect(inner.begun.map((one) => one.origin)).toEqual([origin, origin, "https://other.relay.test"]);
    await service.close();
    expect(calls.at(-1)).toBe("close");
  });

  it("closes the gate although the service fails to close", async () => {
    calls.splice(0);
    const close = async (): Promise<void> => {
      throw new Error("a bug of the service");
    };
    const service = gated({ ...behind().service, close }, await createGate({ oauth }));
    await expect(service.close()).rejects.toThrow("a bug of the service");
    expect(calls).toEqual(["close"]);
  });
});

describe("the gate's own pages", () => {
  /** He says that they are another host's, and that he comes from elsewhere. */
  it("believe nothing that a visitor says of the place and of himself", async () => {
    const { rig, reached } = await start({ oauth });
    const lies = [
      "Forwarded",
      "host=evil.test",
      "X-Forwarded-Host",
      "evil.test",
      "X_Forwarded_Proto",
      "http",
    ];
    lies.push("X-Forwarded-For", "10.0.0.1", "X-Tunnel-User", "owner", "host", "evil.test");
    const headers = ["Host", "evil.test", "Cookie", "a=1", ...lies, "X-Tunnel-Visitor", "192.0.2.1"];
    const path = "/.mcp-tunnel/authorize?x=%2F";
    const { head, text } = await visit(rig.relay, { path, headers }).complete();
    expect(head?.status).toBe(200);
    const seen = JSON.parse(text) as { url: string; headers: RawHeaders };
    expect(seen.url).toBe(path);
    const fields = seen.headers.map((one, at) => (at % 2 === 0 ? one.toLowerCase() : one));
    expect(fields).toEqual(
      expect.arrayContaining([
        ...["host", "demo.relay.test", "cookie", "a=1", "x-tunnel-visitor", "192.0.2.1"],
        ...["x-forwarded-host", "demo.relay.test", "x-forwarded-proto", "https"],
      ]),
    );
    expect(text).not.toMatch(/evil|10\.0\.0\.1|owner|"http"/);
    expect(fields.filter((name) => name === "host").length).toBe(1);
    expect(reached).toEqual([]);
  });

  it("know the place behind an original relay, too, and no address that no relay has told", async () => {
    const { rig } = await start({ oauth }, { isVisitorOwn: false, isForwardedOwn: false });
    const headers = [...host, "X-Tunnel-Visitor", "192.0.2.1"];
    const { text } = await visit(rig.relay, { path: "/.mcp-tunnel/authorize", headers }).complete();
    expect(text).not.toContain("192.0.2.1");
    expect(text).toContain('"X-Forwarded-Host","demo.relay.test","X-Forwarded-Proto","https"');
  });

  it("take an upgrade for an ordinary request", async () => {
    const { rig, reached } = await start({ oauth });
    const headers = [...host, "Connection", "Upgrade", "Upgrade", "websocket"];
    const stream = visit(rig.relay, { path: "/.mcp-tunnel/token", upgrade: true, headers, body: "open" });
    expect((await stream.complete()).head?.status).toBe(200);
    expect(reached).toEqual([]);
  });
});
