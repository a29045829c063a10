import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { RawVisitor, statuses } from "./support/raw-visitor.js";
import { startRecordedRelay } from "./support/servers.js";

/**
 * The attack: a visitor claims in a header to come from 127.0.0.1, from the office, or by https. Some
 * services let such visitors in, and some rate limits count by the header.
 *
 * The defence: the relay drops a visitor's claims about his own origin, unless the connection comes from a
 * proxy that the operator trusts. Of such a chain, the last address counts that is not a trusted proxy's.
 */
const close = closingAfterEach();

const spoofed = [
  "X-Forwarded-For: 10.0.0.1",
  "x-forwarded-for: 127.0.0.1, 10.9.9.9",
  "X-Forwarded-Host: admin.internal",
  "X-Forwarded-Proto: https",
  "X-Forwarded-Port: 443",
  "X-Forwarded-Prefix: /admin",
  "X-Forwarded-Server: x",
  "X-Forwarded-Ssl: on",
  "X-Forwarded-Scheme: https",
  "X-Real-IP: 10.0.0.1",
  "Forwarded: for=10.0.0.1;proto=https;host=admin.internal",
  "X_Request_Id: of-the-visitor",
  "X-Tunnel-Visitor: 10.0.0.1",
  "x_tunnel_visitor: 10.0.0.1",
  "X.Tunnel.Visitor: 10.0.0.1",
  "X-Tunnel-Anything: 10.0.0.1",
];

async function visit(options: object, fields: readonly string[], localAddress = "127.0.0.1") {
  const world = close(await startRecordedRelay(options));
  const visitor = close(new RawVisitor({ port: world.port, localAddress }));
  const lines = ["GET / HTTP/1.1", "Host: app.tunnel.test", ...fields, "Connection: close", "", ""];
  visitor.send(lines.join("\r\n"));
  const [status] = statuses(await visitor.all());
  const headers = world.client.requests[0]?.head.headers ?? [];
  const values = (name: string): string[] =>
    headers.filter((_, i) => i % 2 === 1 && headers[i - 1]?.toLowerCase() === name);
  return { status, values, all: headers.join("\n") };
}

it("a visitor's own claims arrive nowhere", async () => {
  const { values, all } = await visit({}, spoofed);
  expect(values("x-forwarded-for")).toEqual(["127.0.0.1"]);
  expect(values("x-forwarded-host")).toEqual(["app.tunnel.test"]);
  expect(values("x-forwarded-proto")).toEqual(["http"]);
  const gone = [
    "forwarded",
    "x-real-ip",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-server",
    "x-forwarded-ssl",
  ];
  for (const name of [...gone, "x-forwarded-scheme"]) expect([name, values(name)]).toEqual([name, []]);
  expect(values("x-tunnel-visitor")).toEqual(["127.0.0.1"]);
  expect(all).not.toMatch(/10\.0\.0\.1|of-the-visitor/);
});

it.each([
  ["underscores, which CGI takes for hyphens", "X_Forwarded_For: 10.0.0.1"],
  ["an underscore and a hyphen", "x-real_ip: 10.0.0.1"],
  ["a space before the colon", "X-Forwarded-For : 10.0.0.1"],
  ["a folded line", "X-Forwarded-For:\r\n 10.0.0.1"],
  ["a name hidden by Connection", "Connection: X-Forwarded-For\r\nX-Forwarded-For: 10.0.0.1"],
])("nor by another spelling: %s", async (_, field) => {
  const { status, values, all } = await visit({}, [field]);
  if (status === 200) expect(values("x-forwarded-for")).toEqual(["127.0.0.1"]);
  else expect(status).toBe(400);
  expect(all).not.toContain("10.0.0.1");
});

describe("limits per address go by what can be believed", () => {
  const one = { maxRequestsPerAddress: 1, limitExempt: [] };

  /** Two visitors at once. The first has not got an answer yet when the second asks. */
  async function two(options: object, first: string, second: string): Promise<number[]> {
    const world = close(await startRecordedRelay({ ...one, ...options }));
    const answers: number[] = [];
    const slow = close(new RawVisitor({ port: world.port }));
    slow.send(`POST / HTTP/1.1\r\nHost: app.tunnel.test\r\n${first}Content-Length: 5\r\n\r\nhal`);
    while (world.client.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const other = close(new RawVisitor({ port: world.port }));
    other.send(`GET / HTTP/1.1\r\nHost: app.tunnel.test\r\n${second}Connection: close\r\n\r\n`);
    answers.push(statuses(await other.all())[0] as number);
    slow.send("lo");
    answers.push(statuses(await slow.until((received) => statuses(received).length > 0))[0] as number);
    return answers;
  }

  it("a visitor cannot take a new address for each request", async () => {
    expect(await two({}, "X-Forwarded-For: 10.0.0.1\r\n", "X-Forwarded-For: 10.0.0.2\r\n")).toEqual([
      429, 200,
    ]);
  });

  it("visitors behind a trusted proxy are counted each for himself", async () => {
    const proxied = { trustedProxies: ["127.0.0.1"] };
    expect(await two(proxied, "X-Forwarded-For: 10.0.0.1\r\n", "X-Forwarded-For: 10.0.0.2\r\n")).toEqual([
      200, 200,
    ]);
    expect(await two(proxied, "X-Forwarded-For: 10.0.0.1\r\n", "X-Forwarded-For: 10.0.0.1\r\n")).toEqual([
      429, 200,
    ]);
    // The addresses before it are the visitor's own claim. Garbage is no address.
    expect(
      await two(proxied, "X-Forwarded-For: 1.1.1.1, 10.0.0.1\r\n", "X-Forwarded-For: 2.2.2.2, 10.0.0.1\r\n"),
    ).toEqual([429, 200]);
    expect(await two(proxied, "X-Forwarded-For: garbage\r\n", "X-Forwarded-For: other garbage\r\n")).toEqual([
      429, 200,
    ]);
  });

  it("IPv6 counts by its /64, however it is written, and IPv4 in IPv6 as IPv4", async () => {
    const proxied = { trustedProxies: ["127.0.0.1"] };
    const from = (address: string): string => `X-Forwarded-For: ${address}\r\n`;
    expect(await two(proxied, from("2001:db8::1"), from("2001:0db8:0:0:ffff:ffff:ffff:ffff"))).toEqual([
      429, 200,
    ]);
    expect(await two(proxied, from("2001:db8::1"), from("2001:db8:0:1::1"))).toEqual([200, 200]);
    expect(await two(proxied, from("::ffff:10.0.0.1"), from("10.0.0.1"))).toEqual([429, 200]);
    expect(await two(proxied, from("fe80::1%eth0"), from("fe80::2"))).toEqual([429, 200]);
  });
});
