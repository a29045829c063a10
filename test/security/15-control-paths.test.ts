import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { RawVisitor, statuses } from "./support/raw-visitor.js";
import { type RecordedRelay, startRecordedRelay } from "./support/servers.js";

/**
 * The attack: reach the relay's own paths (registration, health, metrics, the admin API) by a tunnel's name,
 * or make the relay answer for a path of the tunnel: by other spellings, methods and hosts.
 *
 * The defence: the host decides first and the path afterwards. Of the relay's own paths, this listener has
 * the registration, an upgrade on exactly one path, and the client to download, which is no secret. On a
 * tunnel's name every path belongs to the tunnel.
 */
let world: RecordedRelay;
beforeAll(async () => {
  world = await startRecordedRelay();
});
afterAll(() => world.close());
beforeEach(() => {
  world.client.requests.length = 0;
});

const registration = "/_tunnel/register";
const own = [
  "/client.tgz",
  "/client.tgz.sha256",
  "/healthz",
  "/readyz",
  "/metrics",
  "/api/tunnels",
  "/api/tunnels/app",
  registration,
];
const spellings = own.flatMap((path) => [
  path,
  `${path}?x=1`,
  `${path}/`,
  path.toUpperCase(),
  `/.${path}`,
  `/x/..${path}`,
  `/${path}`,
  path.replace("/", "/%2e/"),
  `${path}%00`,
  path.replace(/[a-z]/, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
  `${path};x`,
]);
const isRegistration = (path: string): boolean => path === registration || path === `${registration}?x=1`;

async function send(host: string, path: string, ...fields: string[]): Promise<string> {
  const visitor = new RawVisitor({ port: world.port });
  visitor.send([`GET ${path} HTTP/1.1`, `Host: ${host}`, ...fields, "", ""].join("\r\n"));
  const received = await visitor.until((text) => text.includes("\r\n\r\n"));
  visitor.close();
  return received;
}

const upgrade = [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
];

describe("on a tunnel's name", () => {
  it.each(spellings)("%s is the tunnel's", async (path) => {
    expect(statuses(await send("app.tunnel.test", path))).toEqual([200]);
    expect(world.client.requests.map(({ head }) => head.path)).toEqual([path]);
  });
});

describe("on the domain itself, and on any other name", () => {
  it.each(spellings)("%s tells nothing", async (path) => {
    const base = await send("tunnel.test", path);
    const foreign = await send("elsewhere.test", path);
    const expected = isRegistration(path) ? 426 : undefined;
    expect(statuses(base)).toEqual([expected ?? 404]);
    expect(statuses(foreign)).toEqual([expected ?? 421]);
    expect(base + foreign).not.toMatch(/mcp_tunnel_|"tunnels"|ok\n/);
    expect(world.client.requests).toEqual([]);
  });
});

describe("as an upgrade", () => {
  it.each(["tunnel.test", "app.tunnel.test", "nobody.tunnel.test", "127.0.0.1", "elsewhere.test"])(
    "registration works on %s, as the original's clients expect",
    async (host) => {
      expect(await send(host, registration, ...upgrade)).toMatch(/^HTTP\/1\.1 101 /);
    },
  );

  it.each(spellings.filter((path) => !isRegistration(path)))("%s registers nothing", async (path) => {
    expect(await send("tunnel.test", path, ...upgrade)).not.toMatch(/^HTTP\/1\.1 101 /);
  });

  it("with two hosts it does not: who it is for is in doubt", async () => {
    const received = await send("tunnel.test", registration, "Host: app.tunnel.test", ...upgrade);
    expect(statuses(received)).toEqual([400]);
  });
});
