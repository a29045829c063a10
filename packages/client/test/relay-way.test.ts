import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { rootCertificates } from "node:tls";
import { beforeEach, describe, expect, it } from "vitest";
import { createAuthority, createSelfSigned } from "../../../test/support/certificates.js";
import type { Authority } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { startTunnelClient, TunnelClient } from "../src/client.js";
import { checkRegistration } from "../src/connect/check.js";
import { resolveOptions } from "../src/options.js";
import type { TunnelClientOptions } from "../src/options.js";
import { TestRelay } from "./test-relay.js";

// TLS with the relay, and header fields for whatever stands in front of it.

const closing = closingAfterEach();
const fetch = (): Response => new Response("hello");
let relay: TestRelay;
let authority: Authority;

beforeEach(async () => {
  relay = new TestRelay();
  authority = await createAuthority();
});

async function listen(names: readonly string[], more: object = {}): Promise<void> {
  relay.tls = { ...(await authority.issue(names)), ...more };
  closing(await relay.listen());
}

function start(options: Partial<TunnelClientOptions>): Promise<TunnelClient> {
  return startTunnelClient({ fetch, relayUrl: relay.url, ...options }).then(closing);
}

describe("TLS with the relay", () => {
  it("believes the authority that it was given, and no other", async () => {
    await listen(["127.0.0.1"]);
    await expect(start({})).rejects.toMatchObject({
      code: "unreachable",
      isHopeless: true,
      message: expect.stringMatching(
        /--relay-ca <path>, relayTls\.ca in a program, or NODE_EXTRA_CA_CERTS\)$/,
      ),
    });
    const other = await createAuthority();
    for (const ca of [other.cert, [...rootCertificates]]) {
      await expect(start({ relayTls: { ca } })).rejects.toMatchObject({
        code: "unreachable",
        isHopeless: true,
      });
    }
    const several = `${(await createSelfSigned("other.test")).cert}\n${authority.cert}`;
    await start({ relayTls: { ca: several } });
    await start({ relayTls: { ca: [...rootCertificates, Buffer.from(authority.cert)] } });
  });

  it("believes a certificate that has signed itself, if it is given", async () => {
    const own = await createSelfSigned("relay.test");
    relay.tls = own;
    closing(await relay.listen());
    await start({ relayTls: { ca: own.cert, servername: "relay.test" } });
  });

  it("wants a certificate for the name that it was given", async () => {
    await listen(["relay.test"]);
    const { cert: ca } = authority;
    await expect(start({ relayTls: { ca } })).rejects.toThrow(
      /is this the name .* issued\? In a program, relayTls\.servername gives another\)/,
    );
    await expect(start({ relayTls: { ca, servername: "other.test" } })).rejects.toThrow(/issued\?/);
    await start({ relayTls: { ca, servername: "relay.test" } });
  });

  it("shows a certificate to a relay that asks for one, also when it comes back", async () => {
    const own = await authority.issue(["client.test"]);
    await listen(["127.0.0.1"], { ca: authority.cert, requestCert: true, rejectUnauthorized: true });
    const { cert: ca } = authority;
    await expect(start({ relayTls: { ca } })).rejects.toMatchObject({
      code: "unreachable",
      isHopeless: true,
      message: expect.stringContaining("in a program, give relayTls.cert and relayTls.key"),
    });
    const client = await start({ relayTls: { ca, ...own } });
    const back = once(client, "connected");
    relay.cut();
    await back;
  });

  it("is the same for a check", async () => {
    await listen(["127.0.0.1"]);
    relay.features = "claim";
    const asked = { relayUrl: relay.url };
    await expect(checkRegistration(asked)).rejects.toMatchObject({ code: "unreachable" });
    relay.answer = () => ({ close: 4001, reason: "invalid token" });
    const checked = checkRegistration({
      ...asked,
      relayTls: { ca: authority.cert },
      relayHeaders: { "x-a": "b" },
    });
    await expect(checked).rejects.toMatchObject({ code: "refused" });
    expect(relay.handshakes).toMatchObject([{ "x-a": "b" }]);
  });
});

describe("header fields for the relay", () => {
  it("are in every handshake, and in the place of the client's own name", async () => {
    closing(await relay.listen());
    const relayHeaders = { "CF-Access-Client-Id": "id", "User-Agent": "laptop" };
    const client = await start({ relayHeaders });
    const back = once(client, "connected");
    relay.cut();
    await back;
    const seen = { "cf-access-client-id": "id", "user-agent": "laptop" };
    expect(relay.handshakes).toMatchObject([seen, seen]);
  });

  it("are named when something in front of the relay refuses", async () => {
    const server = createServer((_req, res) => res.writeHead(403).end());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    closing(server);
    const { port } = server.address() as AddressInfo;
    await expect(start({ relayUrl: `http://127.0.0.1:${port}` })).rejects.toThrow(
      /answered 403 Forbidden: is an mcp-tunnel relay there, and does something in front of it want header fields \(--relay-header, relayHeaders/,
    );
  });

  const refused = (relayHeaders: unknown): Error | undefined => {
    try {
      resolveOptions({ fetch, relayUrl: "relay.test", relayHeaders: relayHeaders as never });
      return undefined;
    } catch (error) {
      return error as Error;
    }
  };

  it.each([
    ...["Host", "Connection", "upgrade", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding"],
    ...["Proxy-Authorization", "Content-Length", "Expect", "Origin", "X-Tunnel-User"],
    ...["Sec-WebSocket-Key", "sec-websocket-protocol", "Sec_WebSocket_Version"],
  ])("may not be %s", (name) => {
    expect(refused({ [name]: "s3cret" })).toMatchObject({
      code: "invalid_option",
      options: ["relayHeaders"],
      message: expect.stringContaining(`the field '${name}'`),
    });
  });

  it.each<[string, unknown]>([
    ["a name with a space", { "a s3cret": "x" }],
    ["an empty name", { "": "s3cret" }],
    ["a line end", { a: "s3cret\r\nHost: x" }],
    ["a character that is no byte", { a: "s3cret\u0100" }],
    ["a name twice", { a: "s3cret", A: "s3cret" }],
    ["a value that is no text", { a: ["s3cret"] }],
    ["an object of another class", new Headers({ a: "s3cret" })],
    ["a list", ["a: s3cret"]],
  ])("may not have %s, and no value is shown", (_what, headers) => {
    const error = refused(headers);
    expect(error).toMatchObject({ code: "invalid_option" });
    expect(error?.message).not.toContain("s3cret");
  });
});

describe("the options of TLS with the relay", () => {
  it.each<[string, unknown, string]>([
    ["a text", "ca.pem", "relayTls"],
    ["an unknown part", { ca: undefined, rejectUnauthorized: false }, "relayTls.rejectUnauthorized"],
    ["a path as the authority", { ca: "/etc/ca.pem" }, "relayTls.ca"],
    ["no authority", { ca: [] }, "relayTls.ca"],
    ["a number as the authority", { ca: 7 }, "relayTls.ca"],
    ["an authority that cannot be read", { ca: pem("CERTIFICATE") }, "relayTls.ca"],
    ["a key alone", { key: pem("PRIVATE KEY") }, "relayTls.cert"],
    ["a certificate alone", { cert: pem("CERTIFICATE") }, "relayTls.key"],
    ["an address as the name", { servername: "127.0.0.1" }, "relayTls.servername"],
    ["no name", { servername: "" }, "relayTls.servername"],
  ])("may not be %s", (_what, relayTls, option) => {
    const options = { fetch, relayUrl: "relay.test", relayTls: relayTls as never };
    expect(() => new TunnelClient(options)).toThrow(
      expect.objectContaining({ code: "invalid_option", options: [option] }),
    );
  });

  it("may not be given for a relay without TLS", () => {
    const options = { fetch, relayUrl: "http://relay.test", relayTls: { servername: "a.test" } };
    expect(() => new TunnelClient(options)).toThrow("relayTls has no effect with http://relay.test");
  });
});

function pem(what: string): string {
  return `-----BEGIN ${what}-----\nAAAA\n-----END ${what}-----\n`;
}
