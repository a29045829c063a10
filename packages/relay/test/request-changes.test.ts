import { beforeAll, describe, expect, it } from "vitest";
import { createAuthority, createFolder } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import type { CertificateFiles, Judge, Judgment, RelayOptions, RequestChanges } from "../src/index.js";
import { Http2Visitor, plainEntrance } from "./http2-support.js";
import { type AcceptedExchange, RawVisitor, ScriptedClient, startRelay, V1Client } from "./support.js";

// Judges that let requests pass with other fields, over HTTP/1.1, HTTP/2 and upgrades.

const opened = closingAfterEach();
let files: CertificateFiles;

beforeAll(async () => {
  const folder = createFolder();
  const pair = await (await createAuthority()).issue(["localhost", "127.0.0.1"]);
  files = { cert: folder.write("cert.pem", pair.cert), key: folder.write("key.pem", pair.key) };
  return () => folder.close();
});

/** A request whose fields and trailers a test writes. */
interface Asking {
  readonly fields?: readonly (readonly [name: string, value: string])[];
  readonly trailers?: Readonly<Record<string, string>>;
  readonly isUpgrade?: boolean;
}

interface Way {
  /** Sends a request to the tunnel, and returns it as its client gets it. */
  send(asking?: Asking): Promise<AcceptedExchange>;
  /** Sends a request to the tunnel that does not get there; returns the status. */
  refused(): Promise<number>;
  readonly errors: string[];
}

async function startWith(judges: readonly Judge[], more: Partial<RelayOptions>) {
  const errors: string[] = [];
  const ignore = (): void => {};
  const error = (fields: { error?: string }): void => void errors.push(fields.error ?? "");
  const logger = { debug: ignore, info: ignore, warn: ignore, error };
  return { relay: opened(await startRelay({ judges, logger, ...more })), errors };
}

async function overHttp1(...judges: Judge[]): Promise<Way> {
  const { relay, errors } = await startWith(judges, {});
  const client = opened(await V1Client.connect(relay.port, "app"));
  const visit = ({ fields = [], trailers, isUpgrade = false }: Asking): RawVisitor => {
    const visitor = opened(new RawVisitor(relay.port));
    const lines = fields.map(([name, value]) => `${name}: ${value}`);
    if (isUpgrade) lines.push("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: k");
    if (trailers !== undefined) lines.push("Transfer-Encoding: chunked");
    const behind = Object.entries(trailers ?? {}).map(([name, value]) => `${name}: ${value}\r\n`);
    const method = trailers === undefined ? "GET" : "POST";
    const body = trailers === undefined ? "" : `0\r\n${behind.join("")}\r\n`;
    visitor.request([`${method} / HTTP/1.1`, ...lines].join("\n"), body);
    return visitor;
  };
  return {
    errors,
    async send(asking = {}) {
      visit(asking);
      return await client.accept();
    },
    async refused() {
      const head = await visit({}).until((text) => text.includes("\r\n\r\n"));
      return Number(head.split(" ", 2)[1]);
    },
  };
}

async function overHttp2(...judges: Judge[]): Promise<Way> {
  const { relay, errors } = await startWith(judges, { tls: { files: [files] } });
  const entrance = opened(await plainEntrance(relay.port));
  const client = opened(await V1Client.connect(entrance.port, "app"));
  const { session } = opened(await Http2Visitor.connect(relay.port));
  const visit = ({ fields = [], trailers, isUpgrade = false }: Asking) => {
    const pseudo = { ":authority": "app.localhost", ":path": "/" };
    const upgrade = { ":method": "CONNECT", ":protocol": "websocket", ":scheme": "https" };
    const plain = { ":method": trailers === undefined ? "GET" : "POST" };
    const stream = session.request(
      { ...pseudo, ...(isUpgrade ? upgrade : plain), ...Object.fromEntries(fields) },
      { endStream: trailers === undefined && !isUpgrade, waitForTrailers: trailers !== undefined },
    );
    opened({ close: () => stream.destroy() });
    stream.on("error", () => {});
    stream.on("wantTrailers", () => stream.sendTrailers({ ...trailers }));
    if (trailers !== undefined) stream.end();
    return stream;
  };
  return {
    errors,
    async send(asking = {}) {
      visit(asking);
      return await client.accept();
    },
    refused: () =>
      new Promise((resolve) => {
        visit({}).on("response", (head) => resolve(Number(head[":status"])));
      }),
  };
}

/** The values of a request's fields, in their order, by names in one spelling. */
function valuesOf({ head: { headers } }: AcceptedExchange, name: string): string[] {
  return headers.filter((_text, i) => {
    return i % 2 === 1 && headers[i - 1]?.toLowerCase().replaceAll(/[^a-z0-9-]/g, "-") === name;
  });
}

const says =
  (word: unknown): Judge =>
  () =>
    word as Judgment;

/** What a judge does that knows the visitor. */
const ofAda: RequestChanges = {
  setFields: ["X-User", "ada", "X-Role", "reader", "X-Role", "writer"],
  removeFields: ["authorization"],
};
const forged = [
  ["x-user", "root"],
  ["x_user", "root"],
  ["x.user", "root"],
  ["x-role", "admin"],
] as const;

describe.each([
  ["HTTP/1.1", overHttp1],
  ["HTTP/2", overHttp2],
])("a judge that changes the fields of a request, over %s", (_version, over) => {
  it("sets fields in the place of the visitor's own, in any spelling, and removes others", async () => {
    const { send } = await over(says(ofAda));
    const fields = [...forged, ["authorization", "Bearer secret"], ["x-kept", "1"]] as const;
    const exchange = await send({ fields });
    expect(valuesOf(exchange, "x-user")).toEqual(["ada"]);
    expect(valuesOf(exchange, "x-role")).toEqual(["reader", "writer"]);
    expect(valuesOf(exchange, "authorization")).toEqual([]);
    expect(valuesOf(exchange, "x-kept")).toEqual(["1"]);
    // What the relay itself says of the visitor is still there, once.
    expect(valuesOf(exchange, "x-tunnel-visitor")).toEqual(["127.0.0.1"]);
    expect(valuesOf(exchange, "x-request-id")).toHaveLength(1);
  });

  it("keeps them out of trailers too", async () => {
    const { send } = await over(says(ofAda));
    const exchange = await send({ trailers: { "x-user": "root", x_role: "admin", "x-sum": "5" } });
    const trailers = await exchange.ended;
    expect(trailers.map((text) => text.toLowerCase())).toEqual(["x-sum", "5"]);
    expect(valuesOf(exchange, "x-user")).toEqual(["ada"]);
  });

  it("does so for a request that asks for a WebSocket", async () => {
    const { send } = await over(says(ofAda));
    const exchange = await send({ fields: forged, isUpgrade: true });
    expect(exchange.head.upgrade).toBe(true);
    expect(valuesOf(exchange, "upgrade")).toEqual(["websocket"]);
    expect(valuesOf(exchange, "x-user")).toEqual(["ada"]);
    expect(valuesOf(exchange, "x-role")).toEqual(["reader", "writer"]);
  });

  it("takes its time, and what is said last about a field holds", async () => {
    const { send } = await over(
      async () => ({ setFields: ["X-User", "ada", "X-First", "1"] }),
      () => undefined,
      async () => ({ setFields: ["x-user", "grace"], removeFields: ["x-role"] }),
      says({ setFields: ["X-Role", "reader"] }),
    );
    const exchange = await send({ fields: forged });
    expect(valuesOf(exchange, "x-first")).toEqual(["1"]);
    expect(valuesOf(exchange, "x-user")).toEqual(["grace"]);
    expect(valuesOf(exchange, "x-role")).toEqual(["reader"]);
  });

  it("shows other judges the request as it was received, and may be overruled by them", async () => {
    const seen: (string | undefined)[] = [];
    const { refused } = await over(says(ofAda), (visit) => {
      seen.push(visit.header("x-user"), visit.requestId);
      return { status: 403, code: "no", text: "no" };
    });
    expect(await refused()).toBe(403);
    expect(seen).toEqual([undefined, expect.stringMatching(/^[0-9a-f]{32}$/)]);
  });

  it("changes nothing with empty lists", async () => {
    const { send } = await over(says({ setFields: [], removeFields: [] }), says({ setFields: undefined }));
    expect(valuesOf(await send({ fields: [["x-user", "root"]] }), "x-user")).toEqual(["root"]);
  });
});

describe("a field that a judge has set", () => {
  it("is not taken out by the visitor's Connection", async () => {
    const { send } = await overHttp1(says(ofAda));
    const exchange = await send({ fields: [["Connection", "X-User, X-Role"], ...forged] });
    expect(valuesOf(exchange, "x-user")).toEqual(["ada"]);
    expect(valuesOf(exchange, "connection")).toEqual([]);
  });

  it("takes the place of what a trusted proxy says", async () => {
    const options = { trustedProxies: ["127.0.0.1"], trustedProxyHeaders: ["x-real-ip", "x-user"] };
    const { relay } = await startWith([says(ofAda)], options);
    const client = opened(await V1Client.connect(relay.port, "app"));
    opened(new RawVisitor(relay.port)).request("GET / HTTP/1.1\nX-User: proxy\nX-Real-IP: 192.0.2.1");
    const exchange = await client.accept();
    expect(valuesOf(exchange, "x-user")).toEqual(["ada"]);
    expect(valuesOf(exchange, "x-real-ip")).toEqual(["192.0.2.1"]);
  });
});

describe("changes of a judge", () => {
  it("reach clients of the original too", async () => {
    const { relay } = await startWith([says(ofAda)], {});
    const client = opened(await ScriptedClient.registered(relay.port, { token: "t", subdomain: "app" }));
    const request = client.next();
    opened(new RawVisitor(relay.port)).request("GET / HTTP/1.1\nX-User: root\nx_user: root");
    const { headers } = (await request) as { headers: Record<string, string> };
    expect(headers).toMatchObject({ "X-User": "ada", "X-Role": "reader, writer" });
    expect(JSON.stringify(headers)).not.toContain("root");
  });

  it("are too many for a tunnel when its wire says so", async () => {
    const { refused, errors } = await overHttp1(says({ setFields: ["X-User", "a".repeat(2 ** 18)] }));
    expect(await refused()).toBe(431);
    expect(errors).toEqual([]);
  });
});

describe("changes that a judge cannot make", () => {
  const settled = [
    ...["Connection", "Transfer-Encoding", "transfer_encoding", "Content-Length", "Upgrade", "TE", "Trailer"],
    ...["Keep-Alive", "Proxy-Authorization", "Expect", "Host", "Sec-WebSocket-Key", "Sec-WebSocket-Protocol"],
    ...["X-Forwarded-For", "X-Forwarded-User", "x_forwarded_proto", "Forwarded", "X-Request-Id"],
    ...["X-Tunnel-Visitor", "X-Tunnel-Anything"],
  ];

  it.each<[string, unknown]>([
    ...settled.map((name): [string, unknown] => [`setting ${name}`, { setFields: [name, "1"] }]),
    ...settled.map((name): [string, unknown] => [`removing ${name}`, { removeFields: [name] }]),
    ["half a field", { setFields: ["X-User"] }],
    ["a value with the next field in it", { setFields: ["X-User", "ada\r\nX-Role: admin"] }],
    ["a value beyond one byte for a character", { setFields: ["X-User", "\u0100"] }],
    ["a number as a value", { setFields: ["X-User", 1] }],
    ["a name that is none", { setFields: ["X User", "ada"] }],
    ["an object of fields", { setFields: { "X-User": "ada" } }],
    ["a name to remove that is none", { removeFields: [""] }],
    ["a text of names", { removeFields: "X-User" }],
    ["a refusal as well", { setFields: [], status: 403, code: "no", text: "no" }],
  ])("cost the request a 500, and a line in the log: %s", async (_what, word) => {
    const { refused, errors } = await overHttp1(says(word));
    expect(await refused()).toBe(500);
    expect(errors).toEqual([expect.stringMatching(/^the changes that it wants are not possible: ./)]);
  });
});
