import { expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { startUpstream } from "../../../test/support/upstream.js";
import { createService } from "../../client/src/create-service.js";
import { nodeServer } from "../../client/test/contract-app.js";
import { startRig, visit } from "../../client/test/relay-side.js";
import { serviceContract } from "../../client/test/service-contract.js";
import { PathService } from "../src/tunnel/path-service.js";

const closing = closingAfterEach();
const bare = { query: "", headers: [] };
const keyOf = (pathname: string): string | undefined => /^\/(\w+)\/mcp$/.exec(pathname)?.[1];

serviceContract(
  "the service for all paths that have none of their own",
  async (seen) => {
    const others = createService({ server: nodeServer(seen) });
    const elsewhere = createService({ fetch: () => new Response("elsewhere") });
    const service = new PathService(
      new Map([["a", { ...bare, service: elsewhere, path: "/" }]]),
      keyOf,
      others,
    );
    return { options: { service }, close: async () => {} };
  },
  { upgrades: true, interim: true, trailers: true },
);

it("a service is asked for its own path, with the visitor's query", async () => {
  const upstream = closing(await startUpstream());
  const fetched: string[] = [];
  const others = createService({
    fetch: ({ url }) => {
      fetched.push(new URL(url).pathname);
      return new Response("others", { status: 404 });
    },
  });
  const target = createService({ port: upstream.port });
  const service = new PathService(
    new Map([["api", { ...bare, service: target, path: "/echo" }]]),
    keyOf,
    others,
  );
  const rig = closing(startRig({ service }));
  const asked = async (path: string): Promise<string> =>
    (await visit(rig.relay, { method: "POST", path, body: Buffer.from("api") }).complete()).text;

  for (const path of ["/api/mcp", "/api/mcp?a=/b?c", "/x/../api/mcp"]) expect(await asked(path)).toBe("api");
  expect(upstream.requests.map(({ path }) => path)).toEqual(["/echo", "/echo?a=/b?c", "/echo"]);

  const strange = ["/api/mcp/", "/api/mcp/x", "/API/mcp", "/api", "//api/mcp", "/", "/.well-known/x"];
  for (const path of strange) expect(await asked(path)).toBe("others");
  expect(fetched).toEqual(strange);
  expect(upstream.requests).toHaveLength(3);
});

it("a service gets the fields and the query that are its own, and none of the visitor's in their place", async () => {
  const upstream = closing(await startUpstream());
  const others = createService({ fetch: () => new Response("others") });
  const own = {
    service: createService({ port: upstream.port }),
    path: "/echo",
    query: "?key=1",
    headers: ["X-API-Key", "own", "Authorization", "Basic b3du"],
  };
  const rig = closing(startRig({ service: new PathService(new Map([["api", own]]), keyOf, others) }));
  const headers = ["x-api-key", "a", "X_Api_Key", "b", "AUTHORIZATION", "Bearer c", "X-Other", "d"];
  for (const path of ["/api/mcp", "/api/mcp?x=2"]) await visit(rig.relay, { path, headers }).complete();
  expect(upstream.requests.map(({ path }) => path)).toEqual(["/echo?key=1", "/echo?key=1&x=2"]);
  const rawHeaders = upstream.requests[0]?.rawHeaders ?? [];
  const named = /^(x.api.key|authorization|x-other)$/i;
  const seen = rawHeaders.flatMap((text, i) =>
    i % 2 === 0 && named.test(text) ? [text, rawHeaders[i + 1]] : [],
  );
  expect(seen).toEqual(["X-Other", "d", "X-API-Key", "own", "Authorization", "Basic b3du"]);
});

it("what is open is counted and cut in all of them", async () => {
  const upstream = closing(await startUpstream());
  const service = new PathService(
    new Map([["api", { ...bare, service: createService({ port: upstream.port }), path: "/hang" }]]),
    keyOf,
    createService({ fetch: () => new Promise<Response>(() => {}) }),
  );
  const rig = closing(startRig({ service }));
  const open = ["/api/mcp", "/other"].map((path) => visit(rig.relay, { path }));
  await upstream.nextRequest();
  await expect.poll(() => service.open).toBe(2);
  const aborted = upstream.nextAbort();
  void service.close();
  await aborted;
  for (const one of open) await one.cut();
});
