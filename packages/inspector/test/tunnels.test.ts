import { beforeEach, expect, it } from "vitest";
import { createService } from "../../client/src/create-service.js";
import { TunnelClient } from "../../client/src/client.js";
import { visit } from "../../client/test/relay-side.js";
import { TestRelay } from "../../client/test/test-relay.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { createInspector } from "../src/index.js";
import type { InspectedTunnel, Inspector, InspectorPage, ReplayEvent } from "../src/index.js";
import type { ExchangeSummary, InspectorState, McpSession } from "../src/model.js";
import { initialize, initialized } from "./support/mcp-rig.js";

/** One inspector that follows several tunnels. */
const byText = (a: unknown, b: unknown): number => (String(a) < String(b) ? -1 : 1);

const closing = closingAfterEach();

let relay: TestRelay;
let inspector: Inspector;
let page: InspectorPage;
let replays: ReplayEvent[];
beforeEach(async () => {
  relay = closing(await new TestRelay().listen());
  replays = [];
  inspector = closing(createInspector({ onReplay: (event) => replays.push(event) }));
  page = await inspector.listen();
});

interface Started {
  readonly tap: InspectedTunnel;
  readonly client: TunnelClient;
  readonly session: never;
  /** The paths that the service was asked for. */
  readonly asked: string[];
}

/** Starts the tunnel `name`, whose service answers with `text`. */
async function start(name: string, text: string): Promise<Started> {
  const tap = inspector.tunnel(name, `the service of ${name}`);
  const asked: string[] = [];
  const service = createService({
    fetch: (request) => {
      asked.push(new URL(request.url).pathname);
      const isJson = text.startsWith("{");
      return new Response(text, { headers: isJson ? { "content-type": "application/json" } : {} });
    },
  });
  const client = closing(
    new TunnelClient({
      relayUrl: relay.url,
      subdomain: name,
      shutdownGraceMs: 0,
      service: tap.inspected(service),
      observeExchange: tap.observe,
    }),
  );
  tap.follow(client);
  await client.start();
  return { tap, client, session: relay.session as never, asked };
}

async function ask<T>(path: string, method = "GET"): Promise<T> {
  const origin = `http://127.0.0.1:${page.port}`;
  const headers = {
    Authorization: `Bearer ${page.secret}`,
    "Content-Type": "application/json",
    Origin: origin,
  };
  const body = method === "POST" ? "{}" : null;
  const answer = await fetch(`${origin}/api/${path}`, { method, headers, body });
  const text = await answer.text();
  return (text.startsWith("{") ? JSON.parse(text) : text) as T;
}

const exchanges = async (query = ""): Promise<readonly ExchangeSummary[]> =>
  (await ask<{ exchanges: ExchangeSummary[] }>(`exchanges${query}`)).exchanges;

it("tells which tunnel an exchange is of, and what the tunnels are", async () => {
  const web = await start("web", "w");
  const api = await start("api", "a");
  await visit(web.session, { path: "/one" }).complete();
  await visit(api.session, { path: "/two" }).complete();
  expect((await exchanges()).map(({ tunnel, path }) => [tunnel, path]).toSorted(byText)).toEqual([
    ["api", "/two"],
    ["web", "/one"],
  ]);
  expect(await exchanges("?tunnel=api")).toMatchObject([{ tunnel: "api", path: "/two" }]);
  const tunnels = [
    { name: "web", service: "the service of web", url: "https://web.relay.test", connection: "online" },
    { name: "api", service: "the service of api", url: "https://api.relay.test", connection: "online" },
  ];
  const state = await ask<InspectorState>("state");
  expect(state).toMatchObject({ connection: "online", tunnels });
  expect(state.url).toBe(undefined);

  await api.client.close();
  expect(await ask<InspectorState>("state")).toMatchObject({
    connection: "closed",
    tunnels: [tunnels[0], { ...tunnels[1], connection: "closed" }],
  });
  inspector.forget(api.tap);
  // The only one that is left is shown like one without a name.
  expect(await ask<InspectorState>("state")).toMatchObject({
    service: "the service of web",
    url: tunnels[0]?.url,
  });
  expect((await exchanges()).length).toBe(2);
});

it("sends a request again to the service of its own tunnel, and to no other", async () => {
  const web = await start("web", "w");
  const api = await start("api", "a");
  await visit(api.session, { path: "/again" }).complete();
  const [first] = await exchanges();
  const { id } = await ask<{ id: number }>(`exchanges/${first?.id}/replay`, "POST");
  await expect.poll(() => replays.length).toBe(2);
  expect(replays[1]).toMatchObject({ id, tunnel: "api", status: 200 });
  expect([web.asked, api.asked]).toEqual([[], ["/again", "/again"]]);
  expect(await exchanges("?replays=1")).toMatchObject([{ id, tunnel: "api" }]);

  // Another tunnel of the name has taken its place, and the end of the first one changes nothing for it.
  const next = await start("api", "b");
  await api.client.close();
  await ask(`exchanges/${first?.id}/replay`, "POST");
  await expect.poll(() => next.asked).toEqual(["/again"]);
  expect(api.asked.length).toBe(2);

  await next.client.close();
  expect(await ask(`exchanges/${first?.id}/replay`, "POST")).toMatchObject({ code: "not_connected" });
  expect(web.asked).toEqual([]);
});

it("exports each exchange with the URL of its own tunnel", async () => {
  const web = await start("web", "w");
  const api = await start("api", "a");
  await visit(web.session, { path: "/one" }).complete();
  await visit(api.session, { path: "/two" }).complete();
  const har = await ask<{ log: { entries: { _tunnel: string; request: { url: string } }[] } }>("har");
  expect(har.log.entries.map(({ _tunnel, request }) => [_tunnel, request.url]).toSorted(byText)).toEqual([
    ["api", "https://api.relay.test/two"],
    ["web", "https://web.relay.test/one"],
  ]);
  const [two] = await exchanges("?tunnel=api");
  expect(JSON.stringify(await ask(`exchanges/${two?.id}/curl`))).toContain("https://api.relay.test/two");
});

it("keeps sessions of MCP apart that look the same", async () => {
  const answer = JSON.stringify(initialized());
  for (const name of ["web", "api"]) {
    const { session } = await start(name, answer);
    const headers = ["Content-Type", "application/json", "Accept", "application/json, text/event-stream"];
    const body = Buffer.from(JSON.stringify(initialize()));
    await visit(session, { method: "POST", path: "/mcp", headers, body }).complete();
  }
  const { sessions } = await ask<{ sessions: McpSession[] }>("sessions");
  expect(sessions.map(({ tunnel, calls }) => [tunnel, calls]).toSorted(byText)).toEqual([
    ["api", 1],
    ["web", 1],
  ]);
});

it("has processes of servers by their tunnels", async () => {
  for (const name of ["web", "api"]) {
    inspector.tunnel(name).server(undefined, { type: "started", process: 1, purpose: "session" });
  }
  expect(await ask("servers")).toMatchObject({
    servers: [
      { tunnel: "web", started: 1 },
      { tunnel: "api", started: 1 },
    ],
  });
});

it.each(["", "a b", 3])("has no tunnel with the name %j", (name) => {
  expect(() => inspector.tunnel(name as string)).toThrow("the name of a tunnel is a text without spaces");
});
