import { once } from "node:events";
import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { createService } from "../src/create-service.js";
import { startRig, visit } from "./relay-side.js";
import type { Rig } from "./relay-side.js";
import { ok, startScripted } from "./scripted-service.js";
import type { Scripted, Seen } from "./scripted-service.js";

const closing = closingAfterEach();

/** Two tunnels to one service, which answers everything but /wait. `options` of the second one. */
async function startTwo(options = {}): Promise<Scripted & { readonly other: Rig }> {
  const scripted = closing(
    await startScripted((socket, { path }) => {
      if (path !== "/wait") socket.write(ok);
    }),
  );
  return { ...scripted, other: closing(startRig({ port: scripted.port, ...options })) };
}

function closesOf(sockets: readonly Socket[]): Promise<unknown> {
  return Promise.all(sockets.map((socket) => once(socket, "close")));
}

it("leaves no connection behind when a visitor gives up", async () => {
  const { rig, sockets, asked } = await startTwo();
  const waiting = visit(rig.relay, { path: "/wait" });
  await asked("/wait");
  const closed = closesOf(sockets);
  waiting.stream.reset("cancelled");
  await closed;
  await visit(rig.relay).complete();
  expect(sockets.length).toBe(2);
});

describe("two tunnels of one process to the same service", () => {
  it("take each other's idle connections", async () => {
    const { rig, other, seen } = await startTwo();
    for (const { relay } of [rig, other, rig]) await visit(relay).complete();
    expect(seen).toMatchObject([1, 2, 3].map((nth) => ({ connection: 1, nth })));
  });

  it("share none if they wait differently for a connection", async () => {
    const { rig, other, seen } = await startTwo({ connectTimeoutMs: 1_234 });
    for (const { relay } of [rig, other]) await visit(relay).complete();
    expect(seen).toMatchObject([{ connection: 1 }, { connection: 2 }]);
  });

  it("cut their own requests alone when they close", async () => {
    const { rig, other, seen, sockets, asked, connected } = await startTwo();
    const waiting = visit(rig.relay, { path: "/wait" });
    await asked("/wait");
    const idle = visit(other.relay);
    const cut = visit(other.relay, { path: "/wait" });
    await connected(3);
    await idle.complete();
    const { connection } = seen.findLast(({ path }) => path === "/wait") as Seen;
    const closed = closesOf(sockets.slice(connection - 1, connection));
    await other.service.close();
    await closed;
    expect((await cut.cut()).code).toBe("upstream_failed");
    sockets[0]?.write(ok);
    expect((await waiting.complete()).text).toBe("ok");
    // What the other one left idle is of use to this one.
    await visit(rig.relay).complete();
    expect(sockets.length).toBe(3);
  });

  it("do not get the connection of a request that was cut before it was sent", async () => {
    const { rig, port } = await startTwo();
    const closed = createService({ port });
    const service = {
      open: 0,
      // The idle connection is taken, and undici has not yet written to it.
      accept(...request: Parameters<typeof closed.accept>) {
        const handler = closed.accept(...request);
        void closed.close();
        return handler;
      },
      close: () => closed.close(),
    };
    const closer = closing(startRig({ service }));
    await visit(rig.relay).complete();
    const cut = visit(closer.relay).cut();
    expect((await visit(rig.relay).complete()).text).toBe("ok");
    await cut;
  });

  it("send nothing once they are closed, though the other one goes on", async () => {
    const { rig, other, seen } = await startTwo();
    await visit(other.relay).complete();
    const begun = visit(rig.relay, { method: "POST", body: "open" });
    await new Promise(setImmediate);
    await rig.service.close();
    const raw = { headers: ["Host", "demo.relay.test", "Expect", "100-continue"] };
    const late = [begun, visit(rig.relay), visit(rig.relay, raw)];
    for (const each of late) expect((await each.cut()).message).toContain("the client was closed");
    expect(seen.length).toBe(1);
  });

  it("close the connections with the last of them, and make new ones afterwards", async () => {
    const { rig, other, port, sockets } = await startTwo();
    await Promise.all([rig, other].map(({ relay }) => visit(relay).complete()));
    const closed = closesOf(sockets);
    await rig.close();
    await other.close();
    await closed;
    const before = sockets.length;
    const third = closing(startRig({ port }));
    expect((await visit(third.relay).complete()).text).toBe("ok");
    expect(sockets.length).toBe(before + 1);
  });
});
