import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { Http2Visitor } from "../../packages/relay/test/http2-support.js";
import { RawVisitor, statuses } from "./support/raw-visitor.js";
import { RecordingClient } from "./support/recording-client.js";
import { startRecordedRelay, startSecureRelay } from "./support/servers.js";

/**
 * The attack: a proxy in front of the relay is trusted, and tells the visitor's origin in `X-Forwarded-For`
 * and `-Proto`. It passes on everything else that a visitor sends, and a service takes many more fields for
 * the word of a proxy: `X-Real-IP: 127.0.0.1` makes the visitor a local one, `X-Forwarded-Prefix` and
 * `X-Original-URL` choose another path.
 *
 * The defence: of these fields, only those travel on that the proxy sets, as the operator says. By default
 * these are the two.
 */
const close = closingAfterEach();

/** The fields that local services and their libraries believe. */
const claims = [
  ...["X-Real-IP", "Forwarded", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Ssl"],
  ...["X-Forwarded-Scheme", "X-Forwarded-Server", "X-Forwarded-User", "X-Forwarded-Uri", "X-Forwarded"],
  ...["X-Forwarded-Host", "X_Request_Id", "X-Forwarded-By-Nobody-Yet"],
  ...["Client-IP", "X-Client-IP", "X-Cluster-Client-IP", "True-Client-IP", "CF-Connecting-IP"],
  ...["Fastly-Client-IP", "X-Original-Forwarded-For", "X-Original-URL", "X-Rewrite-URL", "X-Host"],
  ...["Front-End-Https", "X-Scheme", "X-Script-Name", "Proxy", "X-Tunnel-Visitor"],
  ...["X-HTTP-Host-Override", "X-Original-URI", "X-Sendfile-Type", "X-Accel-Mapping"],
];
const inAllSpellings = claims.flatMap((name) => [
  name,
  name.toLowerCase(),
  name.replaceAll("-", "_"),
  name.replace("-", "_"),
  // PHP's own server and lighttpd turn these into the same variable.
  name.replaceAll("-", "."),
  name.replaceAll("-", "~"),
]);

/** A request as a proxy at 127.0.0.1 passes it on, for a visitor at 203.0.113.9. */
async function passOn(fields: readonly string[], options: object = {}) {
  const world = close(await startRecordedRelay({ trustedProxies: ["127.0.0.1"], ...options }));
  const proxy = close(new RawVisitor({ port: world.port }));
  const lines = [
    "GET / HTTP/1.1",
    "Host: app.tunnel.test",
    ...fields,
    "X-Forwarded-For: 10.1.2.3, 203.0.113.9",
  ];
  proxy.send([...lines, "X-Forwarded-Proto: https", "Connection: close", "", ""].join("\r\n"));
  expect(statuses(await proxy.all())).toEqual([200]);
  return valuesIn(world.client);
}

function valuesIn(client: RecordingClient) {
  const headers = client.requests[0]?.head.headers ?? [];
  return {
    all: headers.join("\n"),
    values: (name: string): string[] =>
      headers.filter((_, i) => i % 2 === 1 && headers[i - 1]?.toLowerCase() === name),
  };
}

it("what a visitor claims in fields that the proxy does not set arrives nowhere", async () => {
  const { all, values } = await passOn(inAllSpellings.map((name) => `${name}: spoofed`));
  expect(all).not.toContain("spoofed");
  expect(values("x-forwarded-for")).toEqual(["10.1.2.3, 203.0.113.9, 127.0.0.1"]);
  expect(values("x-forwarded-host")).toEqual(["app.tunnel.test"]);
  expect(values("x-forwarded-proto")).toEqual(["https"]);
  // Neither end of X-Forwarded-For: the visitor began it, and the last hop is a proxy.
  expect(values("x-tunnel-visitor")).toEqual(["203.0.113.9"]);
});

it("nor over HTTP/2", async () => {
  const relay = close(await startSecureRelay({ trustedProxies: ["127.0.0.1"] }));
  const client = close(await RecordingClient.connect(relay.plainPort, "app"));
  const proxy = close(await Http2Visitor.connect(relay.securePort));
  const fields = inAllSpellings.map((name) => [name.toLowerCase(), "spoofed"]);
  const visit = proxy.request({ ":authority": "app.tunnel.test", ...Object.fromEntries(fields) }).read();
  expect((await visit.head)[":status"]).toBe(200);
  expect(valuesIn(client).all).not.toContain("spoofed");
});

it("a scheme that a visitor writes before the proxy's own is not believed", async () => {
  expect((await passOn(["X-Forwarded-Proto: http"])).values("x-forwarded-proto")).toEqual(["https"]);
});

describe("fields that the operator says the proxy sets", () => {
  const trustedProxyHeaders = ["x-forwarded-for", "X-Real-IP", "x-forwarded-host", "x-request-id"];
  const set = ["X-Real-IP: 203.0.113.9", "X-Forwarded-Host: shop.example", "X-Request-Id: edge-1"];

  it("travel on, and no others", async () => {
    const { values, all } = await passOn([...set, "Forwarded: for=spoofed", "X_Real_IP: spoofed"], {
      trustedProxyHeaders,
    });
    expect(values("x-real-ip")).toEqual(["203.0.113.9"]);
    expect(values("x-forwarded-host")).toEqual(["shop.example"]);
    expect(values("x-request-id")).toEqual(["edge-1"]);
    // This field is not in the operator's list here.
    expect(values("x-forwarded-proto")).toEqual(["http"]);
    expect(all).not.toContain("spoofed");
  });

  it("cannot be taken out by a visitor's Connection, which some proxies pass on", async () => {
    const { values } = await passOn([...set, "Connection: x-real-ip, x-forwarded-host, x-request-id"], {
      trustedProxyHeaders,
    });
    expect(values("x-real-ip")).toEqual(["203.0.113.9"]);
    expect(values("x-forwarded-host")).toEqual(["shop.example"]);
  });

  it("are dropped when they come from anybody else", async () => {
    const { all } = await passOn([...set, "X-Auth-User: root"], {
      trustedProxies: ["192.0.2.1"],
      trustedProxyHeaders: [...trustedProxyHeaders, "x-auth-user"],
    });
    expect(all).not.toMatch(/shop\.example|edge-1|X-Real-IP|root/);
  });
});
