import type { RelayOptions } from "mcp-tunnel";
import { expect, it } from "vitest";
import { RawVisitor, V1Client } from "../../packages/relay/test/support.js";
import { closingAfterEach } from "../support/cleanup.js";
import { TestCluster } from "./support/cluster.js";

/**
 * The attack: a relay tells another by the first field of a head which tunnel the request is for, or that it
 * is a question of the relay's own, such as to close a tunnel. A visitor writes such a field himself, in any
 * spelling, folded, in the trailers, or as a name that `Connection` takes off, and comes through a relay that
 * takes his request to another. Or a service answers with it.
 *
 * The defence: the relay to which a visitor comes drops his fields of such names, however they are written,
 * and writes its own before all others. The other relay looks at the first field alone. Nothing of an answer
 * means anything to a relay.
 */
const closing = closingAfterEach();

/** A tunnel `app` and one that is the victim's, both at another relay than the visitor. */
async function setUp(options: Partial<RelayOptions> = {}) {
  const { cluster, a, b } = await TestCluster.start(options);
  closing(cluster);
  const victim = closing(await V1Client.connect(a.port, "victim"));
  const app = closing(await V1Client.connect(a.port, "app"));
  const visit = (head: string, body = ""): RawVisitor => {
    const visitor = closing(new RawVisitor(b.port));
    visitor.request(head, body);
    return visitor;
  };
  return { a, b, victim, app, visit };
}

const spellings = [
  "X-Tunnel-Hop: victim 1",
  "x-tunnel-hop: victim 1",
  "X_Tunnel_Hop: victim 1",
  "X.TUNNEL.HOP: victim 1",
  "X-Tunnel-Hop:\tvictim 1",
  "X-Tunnel-Question: question",
  "x_tunnel_question: has",
  "Connection: x-tunnel-hop, x-tunnel-question",
];

it.each(spellings)("a visitor's field reaches no other tunnel and asks nothing: %s", async (field) => {
  const { app, visit, a } = await setUp();
  const question = JSON.stringify({ about: "disconnect", name: "victim" });
  const head = `POST / HTTP/1.1\n${field}\nContent-Length: ${question.length}\nConnection: close`;
  const visitor = visit(head, question);
  const exchange = await app.accept();
  await exchange.ended;
  expect(exchange.body).toBe(question);
  expect(exchange.head.headers.join("\n")).not.toMatch(/tunnel.(?:hop|question)/i);
  exchange.stream.sendHead({ status: 204, headers: [] }, true);
  expect(await visitor.all()).toMatch(/^HTTP\/1.1 204 /);
  expect(a.tunnels().map(({ name, state }) => [name, state])).toEqual([
    ["victim", "online"],
    ["app", "online"],
  ]);
});

it("a field that is folded into another one is refused with its request", async () => {
  const { visit } = await setUp();
  const visitor = visit("GET / HTTP/1.1\nX-Note: a\n X-Tunnel-Hop: victim 1\nConnection: close");
  expect(await visitor.all()).toMatch(/^HTTP\/1.1 400 /);
});

it("fields in trailers are dropped, and others pass", async () => {
  const { app, visit } = await setUp();
  const trailers = "X-Tunnel-Hop: victim 1\r\nX_Tunnel_Question: has\r\nX-Sum: 7\r\n";
  visit("POST / HTTP/1.1\nTransfer-Encoding: chunked", `2\r\nhi\r\n0\r\n${trailers}\r\n`);
  expect(await (await app.accept()).ended).toEqual(["X-Sum", "7"]);
});

it("a service that answers with such fields only tells its visitor of them", async () => {
  const { app, victim, visit } = await setUp();
  const visitor = visit("POST / HTTP/1.1\nContent-Length: 2\nConnection: close", "hi");
  const { stream } = await app.accept();
  const forged = ["X-Tunnel-Hop", "victim 1", "X-Tunnel-Question", "question"];
  stream.sendInterim({ status: 103, headers: forged });
  stream.sendHead({ status: 200, headers: [...forged, "Content-Length", "2"] });
  stream.write(Buffer.from("ok"));
  stream.end();
  expect(await visitor.all()).toMatch(/ok$/);
  // The next request goes where it belongs.
  const next = visit("GET / HTTP/1.1\nHost: victim.localhost\nConnection: close");
  (await victim.accept()).stream.sendHead({ status: 204, headers: [] }, true);
  expect(await next.all()).toMatch(/^HTTP\/1.1 204 /);
});

it("a head that is too large only with the relay's own field is refused, and the link lives", async () => {
  const { a, b, app } = await setUp({ maxHeaderBytes: 1_048_576 });
  const visit = async (port: number, length: number): Promise<string> => {
    const visitor = closing(new RawVisitor(port));
    visitor.request(`GET / HTTP/1.1\nX-Long: ${"x".repeat(length)}\nConnection: close`);
    void app.accept().then(({ stream }) => stream.sendHead({ status: 204, headers: [] }, true));
    return (await visitor.all()).slice(9, 12);
  };
  // The longest field that reaches the tunnel from its own relay.
  let [fits, tooLong] = [261_000, 262_144];
  while (tooLong - fits > 1) {
    const length = Math.floor((fits + tooLong) / 2);
    if ((await visit(a.port, length)) === "204") fits = length;
    else tooLong = length;
  }
  expect(await visit(b.port, fits)).toBe("431");
  expect(await visit(b.port, fits - 100)).toBe("204");
  expect(b.member.status().peers).toBe(1);
});
