import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { PassThrough } from "node:stream";
import { beforeEach, expect, it } from "vitest";
import { WebSocket } from "ws";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { runClient, startRelayCommand } from "../support/commands.js";
import type { RelayCommand } from "../support/commands.js";
import { startUpstream } from "../support/upstream.js";
import type { Upstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";
import type { Visitor } from "../support/visitor.js";

/** Tunnels of a config file, in one process, while the file changes. */
const closing = closingAfterEach();

let relay: RelayCommand;
let visitor: Visitor;
let web: Upstream;
let chat: Upstream;
let shop: Upstream;
let file: string;
beforeEach(async () => {
  relay = closing(await startRelayCommand());
  visitor = closing(createVisitor(relay.port));
  web = closing(await startUpstream());
  chat = closing(await startUpstream());
  shop = closing(await startUpstream());
  file = closing(createFolder()).write("tunnels.yaml", "");
});

/** `shopKeys`: what is special about the tunnel that changes. */
function write(shopKeys: string): void {
  writeFileSync(
    file,
    `defaults:
  relay: http://127.0.0.1:${relay.port}
  token: s3cret
tunnels:
  web:
    local: ${web.port}
  chat:
    local: ${chat.port}
  shop:
    local: ${shop.port}
${shopKeys}`,
  );
}

it("one tunnel changes while a stream and a WebSocket of the others go on without a gap", async () => {
  write("");
  const client = closing(runClient(["start", "--all", "--json", "--config", file]));
  for (const tunnel of ["web", "chat", "shop"]) await client.waitForJson({ event: "connected", tunnel });

  const stream = await visitor.visit("web", "/sse");
  let streamed = "";
  const streamOver = (async () => {
    for await (const chunk of stream.body) streamed += String(chunk);
  })();
  const socket = new WebSocket(`ws://127.0.0.1:${relay.port}/websocket`, {
    headers: { host: "chat.localhost" },
  });
  closing({ close: () => socket.terminate() });
  await once(socket, "open");
  const echoed: string[] = [];
  socket.on("message", (data) => echoed.push(String(data)));
  const closed: number[] = [];
  socket.on("close", (code) => closed.push(code));
  // A request that the tunnel which changes has not answered yet.
  const arrived = shop.nextRequest();
  const body = new PassThrough();
  body.write("begun before the change, ");
  const upload = visitor.text("shop", "/echo", { method: "POST", body });
  await arrived;

  let sent = 0;
  const timer = setInterval(() => {
    sent += 1;
    web.emit(`event ${sent}.`);
    socket.send(`message ${sent}.`);
  }, 20);
  closing({ close: () => clearInterval(timer) });
  write("    host-header: shop.example.com\n");
  await client.waitForJson({ event: "connected", tunnel: "shop" }, 2);
  expect((await visitor.text("shop", "/headers")).text).toContain("shop.example.com");
  body.end("ended after it");
  expect(await upload).toEqual({ status: 200, text: "begun before the change, ended after it" });
  clearInterval(timer);

  const numbers = Array.from({ length: sent }, (_, i) => i + 1);
  await expect.poll(() => echoed.length).toBe(sent);
  expect(echoed).toEqual(numbers.map((number) => `message ${number}.`));
  await expect.poll(() => streamed).toContain(`event ${sent}.`);
  expect(streamed.match(/event \d+\./g)).toEqual(numbers.map((number) => `event ${number}.`));
  expect(closed).toEqual([]);
  const connected = client.json
    .filter(({ event }) => event === "connected")
    .map(({ tunnel }) => String(tunnel));
  expect(connected.toSorted()).toEqual(["chat", "shop", "shop", "web"]);
  const bad = ["disconnected", "evicted", "error", "reconnecting"];
  expect(client.json.filter(({ event }) => bad.includes(event as string))).toEqual([]);
  expect(relay.output).not.toContain("tunnel evicted");

  socket.close();
  stream.body.destroy();
  await streamOver.catch(() => {});
  expect(await client.close()).toEqual({ code: 0, signal: null });
});

it("one inspector has what passes through all tunnels, and sends a request again where it came", async () => {
  write("");
  const args = ["--all", "--json", "--inspect", "127.0.0.1:0", "--config", file];
  const client = closing(runClient(["start", ...args]));
  for (const tunnel of ["web", "chat", "shop"]) await client.waitForJson({ event: "connected", tunnel });
  const { url } = await client.waitForJson({ event: "inspector" });
  const { origin, hash } = new URL(url as string);
  const headers = { authorization: `Bearer ${hash.slice(1)}`, origin, "content-type": "application/json" };
  const ask = async (path: string, init: RequestInit = {}): Promise<Record<string, unknown>> =>
    (await (await fetch(`${origin}/api/${path}`, { ...init, headers })).json()) as Record<string, unknown>;

  await visitor.text("web", "/echo?web");
  await visitor.text("shop", "/echo?shop");
  const { exchanges } = await ask("exchanges?tunnel=shop");
  const [{ id, path }] = exchanges as [{ id: number; path: string }];
  expect(path).toBe("/echo?shop");
  await ask(`exchanges/${id}/replay`, { method: "POST", body: "{}" });
  await client.waitForJson({ event: "replay", tunnel: "shop", status: 200 });
  expect(shop.requests.map((request) => request.path)).toEqual(["/echo?shop", "/echo?shop"]);
  expect(web.requests.map((request) => request.path)).toEqual(["/echo?web"]);
  const { tunnels } = await ask("state");
  expect(tunnels).toMatchObject([{ name: "web" }, { name: "chat" }, { name: "shop" }]);
  expect(await client.close()).toEqual({ code: 0, signal: null });
});
