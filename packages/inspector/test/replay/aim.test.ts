import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createService } from "mcp-tunnel-client";
import { fieldPairs } from "mcp-tunnel-protocol";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../../test/support/cleanup.js";
import type { ReplayRequest } from "../../src/model.js";
import { captured } from "../support/captured.js";
import { replayed, startReplays, textOf, visitorFields } from "../support/replay-rig.js";

// The attack: CVE-2025-49596 made a local page of MCP Inspector send requests wherever another web site
// wanted. Whoever drives this page, with the secret or by a hole in it, must not get it to send anything to
// another place than the service of the tunnel, nor to write what services trust a tunnel to write.
describe("a replay reaches the configured service alone", () => {
  const closing = closingAfterEach();

  /** The service, and another server on this machine that must hear nothing. */
  async function start() {
    const seen: string[] = [];
    const elsewhere: string[] = [];
    const open = async (onRequest: Parameters<typeof createServer>[1]) => {
      const server = createServer(onRequest);
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      closing({
        async close() {
          server.close();
          server.closeAllConnections();
          await once(server, "close");
        },
      });
      return (server.address() as AddressInfo).port;
    };
    const other = await open((req, res) => {
      elsewhere.push(req.url ?? "");
      res.end("elsewhere");
    });
    const port = await open((req, res) => {
      seen.push(`${req.method} ${req.url} ${req.headers.host}`);
      if (req.url === "/away") res.writeHead(302, { Location: `http://127.0.0.1:${other}/stolen` });
      res.end("the service");
    });
    const replays = closing(startReplays(createService({ port })));
    return { seen, elsewhere, other, port, replays };
  }

  const entry = () => captured({ path: "/a", headers: visitorFields });

  it.each([
    "http://127.0.0.1:OTHER/",
    "https://127.0.0.1:OTHER/",
    "127.0.0.1:OTHER",
    "/a b",
    "/a\r\nHost: evil.example",
    "/a HTTP/1.1\r\nHost: evil.example\r\n\r\nGET /b",
    "/\u0000",
    "/#x",
    "/ö\u{1f600}",
    "",
    "*",
  ])("the path %j is refused", async (path) => {
    const { replays, other, elsewhere, seen } = await start();
    const edit = { path: path.replace("OTHER", String(other)) };
    await expect(replays.replayer.replay(entry(), { edit })).rejects.toMatchObject({
      status: 400,
      code: "bad_request",
    });
    expect([elsewhere, seen, replays.recorder.ring.size]).toEqual([[], [], 0]);
  });

  it.each(["//127.0.0.1:OTHER/x", "/\\127.0.0.1:OTHER/x", "/@127.0.0.1:OTHER/x", "/../..//127.0.0.1:OTHER"])(
    "the path %s is one of the service",
    async (path) => {
      const { replays, other, port, elsewhere, seen } = await start();
      const target = path.replace("OTHER", String(other));
      const replay = await replayed(replays, entry(), { path: target });
      expect(textOf(replay)).toBe("the service");
      expect([seen, elsewhere]).toEqual([[`GET ${target} localhost:${port}`], []]);
    },
  );

  it("a redirect is the answer, and is not followed", async () => {
    const { replays, seen, elsewhere } = await start();
    const replay = await replayed(replays, entry(), { path: "/away" });
    expect(replay.response?.status).toBe(302);
    expect([seen.length, elsewhere]).toEqual([1, []]);
  });

  it.each<[string, ReplayRequest["edit"]]>([
    ["another Host", { headers: [["Host", "evil.example"]] }],
    [
      "a second Host",
      {
        headers: [
          ["Host", "demo.relay.test"],
          ["host", "evil.example"],
        ],
      },
    ],
    ["a visitor's address of its own", { headers: [["X-Tunnel-Visitor", "127.0.0.1"]] }],
    ["the same in another spelling", { headers: [["x_tunnel_visitor", "127.0.0.1"]] }],
    ["a user of the gate", { headers: [["X-Tunnel-User", "admin"]] }],
    ["a new line in a value", { headers: [["X-A", "1\r\nX-Tunnel-User: admin"]] }],
    ["a new line in a name", { headers: [["X-A: 1\r\nX-Tunnel-User", "admin"]] }],
    ["a character beyond bytes", { headers: [["X-A", "\u0100"]] }],
    ["a name that is empty", { headers: [["", "1"]] }],
    ["a CONNECT", { method: "CONNECT" }],
    ["a method with a second line", { method: "GET / HTTP/1.1\r\nX: " }],
    ["a mark of nothing", { body: "[hidden:0123abcd]" }],
  ])("%s is refused", async (_what, edit) => {
    const { replays, seen } = await start();
    await expect(
      replays.replayer.replay(entry(), { confirmed: true, ...(edit === undefined ? {} : { edit }) }),
    ).rejects.toMatchObject({ status: 400, code: "bad_request" });
    expect(seen).toEqual([]);
  });

  it("an offer to upgrade does not reach the service", async () => {
    const { replays, seen } = await start();
    const headers = [
      ["Connection", "Upgrade, X-A"],
      ["Upgrade", "websocket"],
      ["X-A", "1"],
      ["Transfer-Encoding", "chunked"],
    ] as const;
    const replay = await replayed(replays, entry(), { headers });
    expect(replay.head.headers).toEqual(visitorFields.slice(0, 2).concat(visitorFields.slice(4, 6)));
    expect(seen.length).toBe(1);
  });

  it("more than the ring would keep is refused", async () => {
    const { replays } = await start();
    const tooLarge = { status: 413, code: "too_large" };
    const body = "x".repeat(1_024 * 1_024 + 1);
    await expect(replays.replayer.replay(entry(), { edit: { body } })).rejects.toMatchObject(tooLarge);
    const path = `/${"x".repeat(70_000)}`;
    await expect(replays.replayer.replay(entry(), { edit: { path } })).rejects.toMatchObject(tooLarge);
  });

  it("replays are marked", async () => {
    const { replays } = await start();
    const original = entry();
    const replay = await replayed(replays, original);
    expect(replay.replayOf).toBe(original.id);
    expect(replays.events.map(({ id, replayOf, status }) => [id, replayOf, status])).toEqual([
      [replay.id, original.id, undefined],
      [replay.id, original.id, 200],
    ]);
  });

  // The proof that a gate asks for is for the gate alone: a service could use it to visit in that name.
  describe("what a visitor has shown to a gate does not reach the service", () => {
    const serviceHead = {
      method: "GET",
      path: "/a",
      headers: [...visitorFields.slice(0, 6), "X-Tunnel-User", "ada", "Accept", "*/*"],
    };
    const gated = () =>
      captured({ path: "/a", headers: [...visitorFields, "Accept", "*/*"], entry: { serviceHead } });

    it("by a replay as it is", async () => {
      const { replays } = await start();
      expect((await replayed(replays, gated())).head.headers).toEqual(serviceHead.headers);
    });

    it("by a replay in which the page has all fields of the visitor", async () => {
      const { replays } = await start();
      const headers = [...fieldPairs([...visitorFields, "Accept", "*/*"]), ["X-Mine", "1"] as const];
      const replay = await replayed(replays, gated(), { headers });
      // The fields of the tunnel come first.
      expect(replay.head.headers).toEqual([
        ...["Host", "demo.relay.test", "X-Tunnel-Visitor", "192.0.2.7", "X-Tunnel-User", "ada"],
        ...["X-Forwarded-For", "192.0.2.7", "Accept", "*/*", "X-Mine", "1"],
      ]);
    });

    it("by a replay of what the gate has answered itself", async () => {
      const { replays, seen } = await start();
      const refused = captured({ headers: visitorFields, status: 401, entry: { reachedService: false } });
      await expect(replays.replayer.replay(refused, {})).rejects.toMatchObject({ code: "cannot_replay" });
      expect(seen).toEqual([]);
    });
  });
});
