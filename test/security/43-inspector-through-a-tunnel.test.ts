import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TunnelClientOptions } from "mcp-tunnel-client";
import { captured } from "../../packages/inspector/test/support/captured.js";
import { openTestPage, type TestPage } from "../../packages/inspector/test/support/page.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startInProcess } from "../support/in-process.js";
import { RawVisitor } from "./support/raw-visitor.js";

/**
 * The attack: a tunnel, or a proxy, leads to the inspector's port. Somebody has published it by mistake, or a
 * service that is published passes requests on to any port of its machine. Then visitors from anywhere are
 * before a page on "this machine alone", and the client makes their Host and Origin fit.
 *
 * The defence: the inspector answers nothing that says that it has come through a tunnel or a proxy. A
 * visitor who even knows the secret gets nothing. And what has no Host of its own address gets nothing.
 */
const close = closingAfterEach();
let inspector: TestPage;
beforeAll(async () => {
  inspector = await openTestPage();
  inspector.add(captured({ path: "/captured" }));
});
afterAll(() => inspector.close());

const own = (): string => `http://127.0.0.1:${inspector.port}`;

describe.each<[how: string, client: () => Partial<TunnelClientOptions>]>([
  ["by its port", () => ({ port: inspector.port })],
  ["by its address", () => ({ target: own() })],
  ["with all forwarded fields", () => ({ target: own(), forwardedHeaders: "all" })],
  ["without forwarded fields", () => ({ target: own(), forwardedHeaders: "none" })],
  ["with the visitors' Host", () => ({ target: own(), hostHeader: "preserve" })],
  ["without an Origin", () => ({ target: own(), origin: "drop", forwardedHeaders: "none" })],
])("a tunnel that leads to the inspector %s", (_how, client) => {
  it("shows nothing to visitors, not even with the secret", async () => {
    const tunnel = close(await startInProcess({ client: client() }));
    const authorization = `Bearer ${inspector.secret}`;
    for (const fields of [
      {},
      { origin: own() },
      { origin: tunnel.client.url ?? "" },
      { "sec-fetch-site": "same-origin" },
    ]) {
      const headers = { authorization, ...fields };
      for (const path of ["/", "/api/state", "/api/exchanges", "/api/stream"]) {
        const { statusCode, body } = await tunnel.visit(path, { headers });
        expect([403, 421], path).toContain(statusCode);
        expect(await body.text(), path).not.toMatch(/captured|maxBytes|root/);
      }
      const clear = await tunnel.visit("/api/exchanges", { method: "DELETE", headers });
      expect([403, 421]).toContain(clear.statusCode);
      await clear.body.dump();
    }
    expect(inspector.entries.size).toBe(1);
  });
});

it("a service that fetches what visitors name gets nothing without the secret", async () => {
  const careless = createServer((req, res) => {
    const to = new URL(req.url ?? "", "http://x").searchParams.get("url") ?? "";
    void fetch(to).then(
      async (answer) => res.end(`${answer.status} ${await answer.text()}`),
      () => res.end("failed"),
    );
  });
  careless.listen(0, "127.0.0.1");
  await once(careless, "listening");
  close({ close: () => void careless.close() });
  const tunnel = close(await startInProcess({ upstreamPort: (careless.address() as AddressInfo).port }));
  const visit = async (url: string): Promise<string> =>
    (await tunnel.visit(`/?url=${encodeURIComponent(url)}`)).body.text();
  expect(await visit(`${own()}/api/exchanges`)).toMatch(/^401 /);
  expect(await visit(`${own()}/api/exchanges?secret=x#x`)).toMatch(/^401 /);
  expect(await visit(`http://localhost:${inspector.port}/`)).toMatch(/^421 |failed/);
  // The page itself is open to every program of this machine. It has nothing in it.
  const page = await visit(`${own()}/`);
  expect(page).toMatch(/^200 /);
  expect(page).not.toContain(inspector.secret);
});

it("requests that are hidden in others get no further", async () => {
  const visitor = close(new RawVisitor({ port: inspector.port }));
  const secret = `Authorization: Bearer ${inspector.secret}\r\n`;
  // The outer request comes from a page that may send text, and the inner one is in its body.
  const inner = `DELETE /api/exchanges HTTP/1.1\r\nHost: ${new URL(own()).host}\r\nOrigin: ${own()}\r\n${secret}\r\n`;
  const length = `Content-Length: ${inner.length}\r\n`;
  const outer = `POST /api/pause HTTP/1.1\r\nHost: ${new URL(own()).host}\r\nOrigin: https://evil.example\r\n`;
  visitor.send(`${outer}${length}\r\n${inner}`);
  await visitor.until((text) => text.includes("foreign_origin"));
  const both = close(new RawVisitor({ port: inspector.port }));
  both.send(`${outer}${length}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`);
  expect((await both.all()).slice(0, 12)).toBe("HTTP/1.1 400");
  expect(inspector.entries.size).toBe(1);
});
