import { fork } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { expectNoLeaks } from "../../../test/support/leaks.js";
import { StreamHub } from "../src/server/hub.js";
import { openPage } from "../src/server/page-server.js";
import type { ExchangeSummary } from "../src/model.js";
import { captured } from "./support/captured.js";
import { openTestPage, type TestPage } from "./support/page.js";

let page: TestPage;
const open = async (...args: Parameters<typeof openTestPage>): Promise<TestPage> =>
  (page = await openTestPage(...args));
afterEach(() => page.close());

const idsIn = (value: unknown): number[] =>
  (value as { exchanges: ExchangeSummary[] }).exchanges.map(({ id }) => id);

describe("exchanges", () => {
  it("are listed, the newest first, in pages", async () => {
    await open();
    const ids = Array.from({ length: 5 }, () => page.add(captured()).id);
    const newest = ids.toReversed();
    expect(idsIn((await page.ask("/api/exchanges")).json())).toEqual(newest);
    expect(idsIn((await page.ask("/api/exchanges?limit=2")).json())).toEqual(newest.slice(0, 2));
    const next = await page.ask(`/api/exchanges?limit=2&before=${newest[1]}`);
    expect(idsIn(next.json())).toEqual(newest.slice(2, 4));
  });

  it("are filtered", async () => {
    await open();
    page.add(captured({ path: "/a" }));
    const { id } = page.add(captured({ path: "/b", status: 404 }));
    expect(idsIn((await page.ask("/api/exchanges?path=/B&status=4xx")).json())).toEqual([id]);
    const { status, text } = await page.ask("/api/exchanges?statuss=4xx");
    expect([status, text]).toEqual([400, expect.stringContaining("bad_filter")]);
    expect((await page.ask("/api/exchanges?limit=0")).status).toBe(400);
    expect((await page.ask("/api/exchanges?before=x")).status).toBe(400);
  });

  it("are told one by one, with their secrets, as curl and as long as they are kept", async () => {
    await open();
    const { id } = page.add(captured({ path: "/one" }));
    expect((await page.ask(`/api/exchanges/${id}`)).json()).toMatchObject({ id, path: "/one", hidden: 1 });
    expect((await page.ask(`/api/exchanges/${id}/hidden/0123abcd`)).json()).toEqual({ value: "s3cret" });
    expect((await page.ask(`/api/exchanges/${id}/hidden/00000000`)).status).toBe(404);
    const curl = await page.ask(`/api/exchanges/${id}/curl`);
    expect([curl.text, curl.headers["content-type"]]).toEqual(["curl /one", "text/plain; charset=utf-8"]);
    page.entries.delete(id);
    for (const path of ["", "/hidden/0123abcd", "/curl"]) {
      expect((await page.ask(`/api/exchanges/${id}${path}`)).status, path).toBe(404);
    }
  });

  it("are exported one after the other", async () => {
    await open();
    const ids = [page.add(captured({ path: "/a" })), page.add(captured({ path: "/b" }))].map(({ id }) => id);
    const all = await page.ask("/api/har");
    expect(all.json()).toEqual({ log: { entries: ids.map((_id) => ({ _id })) } });
    expect(all.headers["content-disposition"]).toBe('attachment; filename="mcp-tunnel.har"');
    expect((await page.ask("/api/har?path=/b")).json()).toEqual({ log: { entries: [{ _id: ids[1] }] } });
    expect((await page.ask("/api/har?path=/c")).json()).toEqual({ log: { entries: [] } });
    expect((await page.ask("/api/har", { method: "HEAD" })).text).toBe("");
    expect((await page.ask("/api/har?x=1")).status).toBe(400);
  });

  it("are cleared", async () => {
    await open();
    page.add(captured());
    expect((await page.ask("/api/exchanges", { method: "DELETE" })).status).toBe(204);
    expect(page.entries.size).toBe(0);
  });
});

describe("replays", () => {
  const post = (id: number, body: string) =>
    page.ask(`/api/exchanges/${id}/replay`, { method: "POST", body });

  it("are handed on as they were asked for", async () => {
    await open();
    const { id } = page.add(captured());
    const edit = { method: "POST", path: "/x", headers: [["A", "b"]], body: "{}" };
    const answer = await post(id, JSON.stringify({ confirmed: true, edit }));
    expect([answer.status, answer.json()]).toEqual([202, { id: 77 }]);
    await post(id, "{}");
    expect(page.asked).toEqual([
      [id, { confirmed: true, edit }],
      [id, {}],
    ]);
  });

  it.each([
    "[]",
    '{"confirmed":"yes"}',
    '{"edit":1}',
    '{"edit":{"method":1}}',
    '{"edit":{"path":null}}',
    '{"edit":{"headers":{}}}',
    '{"edit":{"headers":[["a"]]}}',
    '{"edit":{"headers":[["a",1]]}}',
    '{"edit":{"body":{}}}',
    '{"edit":{"host":"evil.example"}}',
    '{"target":"http://evil.example"}',
  ])("do not take %s", async (body) => {
    await open();
    const { status, text } = await post(page.add(captured()).id, body);
    expect([status, text]).toEqual([400, expect.stringContaining("bad_request")]);
    expect(page.asked).toEqual([]);
  });

  it("tell why there is none", async () => {
    const why = Object.assign(new Error("read the warning"), { status: 409, code: "needs_confirmation" });
    await open({
      replayer: {
        replay: () => Promise.reject(why),
        cancel: () => false,
      },
    });
    const answer = await post(page.add(captured()).id, "{}");
    expect([answer.status, answer.json()]).toEqual([
      409,
      { code: "needs_confirmation", message: "read the warning" },
    ]);
    expect((await post(999, "{}")).status).toBe(404);
    expect((await page.ask("/api/exchanges/1/cancel", { method: "POST" })).status).toBe(404);
  });

  it("are cancelled", async () => {
    await open();
    expect((await page.ask("/api/exchanges/77/cancel", { method: "POST" })).status).toBe(204);
  });
});

it("sessions, calls, servers and the state are told", async () => {
  await open();
  page.sessions.push({ key: "s1" } as never);
  expect((await page.ask("/api/sessions")).json()).toEqual({ sessions: [{ key: "s1" }] });
  expect((await page.ask("/api/sessions/s1")).json()).toMatchObject({ session: { key: "s1" } });
  expect((await page.ask("/api/sessions/s2")).status).toBe(404);
  expect((await page.ask("/api/calls/3.0")).json()).toEqual({ key: "3.0" });
  expect((await page.ask("/api/calls/3.1")).status).toBe(404);
  expect((await page.ask("/api/servers")).json()).toEqual({ servers: [] });
  expect((await page.ask("/api/state")).json()).toMatchObject({ paused: false });
  const pause = await page.ask("/api/pause", { method: "POST", body: '{"paused":true}' });
  expect(pause.json()).toMatchObject({ paused: true });
});

it("a fault of a part costs one answer", async () => {
  await open({
    state: () => {
      throw new Error("broken");
    },
  });
  const { status, text } = await page.ask("/api/state");
  expect([status, text]).toEqual([500, expect.stringContaining("broken")]);
  expect((await page.ask("/api/servers")).status).toBe(200);
});

it("the page's files are sent gzipped, or plain to who wants them so", async () => {
  await open();
  const plain = await page.ask("/", { headers: { "accept-encoding": undefined } });
  expect(plain.text).toContain('<div id="root">');
  const gzipped = await page.ask("/", { headers: { "accept-encoding": "gzip, br" } });
  expect(gzipped.headers["content-encoding"]).toBe("gzip");
  expect(gzipped.text).not.toContain("root");
});

describe("the listener", () => {
  it.each(["0.0.0.0", "::", "192.168.1.1", "example.com", "evil.localhost", "", "127.0.0.1.nip.io", "127.1"])(
    "does not listen on '%s'",
    async (host) => {
      await open();
      await expect(openPage(page.parts, new StreamHub(), { host })).rejects.toMatchObject({
        code: "invalid_option",
        message: expect.stringContaining("127.0.0.1"),
      });
    },
  );

  it.each<readonly [string, string, string]>([
    ["localhost", "127.0.0.1", "127.0.0.1"],
    ["LocalHost", "127.0.0.1", "127.0.0.1"],
    // macOS has only the first of these addresses.
    ...(process.platform === "darwin" ? [] : [["127.0.0.2", "127.0.0.2", "127.0.0.2"] as const]),
    ["::1", "::1", "[::1]"],
    ["[::1]", "::1", "[::1]"],
  ])("listens on %s as %s", async (host, address, inUrl) => {
    await open();
    const other = await openPage(page.parts, new StreamHub(), { host });
    try {
      expect(other.host).toBe(address);
      expect(other.url).toBe(`http://${inUrl}:${other.port}/#${other.secret}`);
      const answer = await fetch(`http://${inUrl}:${other.port}/api/state`, {
        headers: { authorization: `Bearer ${other.secret}` },
      });
      expect(answer.status).toBe(200);
    } finally {
      await other.close();
    }
  });

  it("says what to do when the port is taken", async () => {
    await open();
    await expect(openPage(page.parts, new StreamHub(), { port: page.port })).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringMatching(/another program listens there; choose another port/),
    });
  });

  it("closes at once, with streams open and silent connections", async () => {
    await open();
    await expectNoLeaks(async () => {
      const other = await openTestPage();
      other.add(captured());
      const stream = await other.stream();
      await stream.next();
      const silent = connect(other.port, "127.0.0.1");
      await once(silent, "connect");
      silent.on("error", () => {});
      await other.close();
      await other.close();
      silent.destroy();
      stream.close();
    });
  });

  it("closes what it does not answer after 64 connections", async () => {
    await open();
    const sockets = Array.from({ length: 80 }, () => connect(page.port, "127.0.0.1").on("error", () => {}));
    let closed = 0;
    for (const socket of sockets) socket.on("close", () => closed++);
    await vi.waitFor(() => expect(closed).toBe(16));
    for (const socket of sockets) socket.destroy();
    await vi.waitFor(async () => expect((await page.ask("/api/state")).status).toBe(200));
  });

  it("keeps no process from its end, not even with a stream open", async () => {
    await open();
    const child = fork(new URL("support/page-process.mjs", import.meta.url), { silent: true });
    const [code] = (await once(child, "exit")) as [number];
    expect(code).toBe(0);
  });
});
