import { parseStaticToken, staticAuthenticator } from "mcp-tunnel";
import { startTunnelClient } from "mcp-tunnel-client";
import { describe, expect, it } from "vitest";
import { createAuthority, createFolder, createSelfSigned } from "../support/certificates.js";
import type { Pair } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { freePort } from "../support/free-port.js";
import { TestRelay } from "../../packages/client/test/test-relay.js";
import { examine, settingsFor, startProxy, startRelay, startSecureService, startService } from "./world.js";
import type { Listening } from "./world.js";

const closing = closingAfterEach();

describe("the way to the relay", () => {
  it("is all well, and nothing but the way is looked at without a service", async () => {
    const { port } = closing(await startRelay());
    const found = await examine(settingsFor(`http://127.0.0.1:${port}`));
    expect(found.ids("failed"), found.said).toEqual([]);
    expect(found.ids("warning"), found.said).toEqual([]);
    expect(found.step("relay").reason).toMatch(/^an mcp-tunnel relay, version \d/);
    expect(found.step("name").reason).toBe(`http://demo.localhost:${port} is free`);
    expect(found.step("body-down").reason).toBe("an answer of 1.4 MiB passes");
  });

  it("names a host that nobody knows", async () => {
    const found = await examine(settingsFor("https://relay.tunnel.test"), async (host) => {
      throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: "ENOTFOUND" });
    });
    expect(found.ids("failed"), found.said).toEqual(["relay-dns"]);
    expect(found.step("relay-dns").reason).toContain("relay.tunnel.test has no address");
    expect(found.step("relay-dns").advice).toContain("Check the spelling of --relay");
    expect(found.step("relay-tls").verdict).toBe("skipped");
  });

  it("tells a resolver that does not answer from a host that nobody knows", async () => {
    const found = await examine(settingsFor("https://relay.tunnel.test"), async () => {
      throw Object.assign(new Error("getaddrinfo EAI_AGAIN"), { code: "EAI_AGAIN" });
    });
    expect(found.step("relay-dns").reason).toContain("no resolver answered");
  });

  it("names a port at which nothing listens", async () => {
    const port = await freePort();
    const found = await examine(settingsFor(`http://127.0.0.1:${port}`));
    expect(found.ids("failed"), found.said).toEqual(["relay-tcp"]);
    expect(found.step("relay-tcp").reason).toBe(
      `no connection to 127.0.0.1:${port}: refused, nothing listens there`,
    );
  });

  it("warns of one address of several that does not answer", async () => {
    const { port } = closing(await startRelay({ domain: "tunnel.test" }));
    const found = await examine(settingsFor(`http://tunnel.test:${port}`), async () => [
      { address: "127.0.0.1", family: 4 },
      { address: "127.0.0.2", family: 4 },
    ]);
    expect(found.step("relay-tcp").verdict).toBe("warning");
    expect(found.step("relay-tcp").reason).toContain(`but not to 127.0.0.2:${port}`);
  });

  it("names a server that is no relay", async () => {
    const server = closing(await startService((_request, response) => response.end("welcome")));
    const found = await examine(settingsFor(`http://127.0.0.1:${server.port}`));
    expect(found.ids("failed"), found.said).toEqual(["relay"]);
    expect(found.step("relay").reason).toContain("is no mcp-tunnel relay: /_tunnel/register answers 200");
  });

  it("tells a relay that is too old for questions nothing, and opens no tunnel", async () => {
    const relay = closing(await new TestRelay().listen());
    const found = await examine(settingsFor(relay.url));
    expect(found.step("relay").verdict).toBe("warning");
    for (const id of ["token", "name", "tunnel", "public-dns"]) {
      expect(found.step(id).verdict, id).toBe("skipped");
    }
    expect(relay.registrations).toEqual([]);
  });

  it("warns of a clock that is far off", async () => {
    const server = closing(
      await startService((_request, response) => {
        response.setHeader("date", new Date(Date.now() - 600_000).toUTCString());
        response.end();
      }),
    );
    const found = await examine(settingsFor(`http://127.0.0.1:${server.port}`));
    expect(found.step("clock").verdict).toBe("warning");
    expect(found.step("clock").reason).toMatch(/^this machine's clock is 60\d s fast/);
  });
});

describe("TLS of the relay", () => {
  const at127 = async (): Promise<{ address: string; family: number }[]> => [
    { address: "127.0.0.1", family: 4 },
  ];

  async function tlsOf(pair: Pair): Promise<{ reason: string; advice?: string }> {
    const server = closing(await startSecureService(pair, (_request, response) => response.end()));
    const found = await examine(settingsFor(`https://tunnel.test:${server.port}`), at127);
    expect(found.ids("failed"), found.said).toEqual(["relay-tls"]);
    return found.step("relay-tls");
  }

  it("names a certificate for other names", async () => {
    const authority = await createAuthority();
    const { reason } = await tlsOf(await authority.issue(["other.test", "*.other.test"]));
    expect(reason).toContain("the certificate is for other.test, *.other.test, and not for tunnel.test");
  });

  it("names a certificate that has expired", async () => {
    const authority = await createAuthority();
    const { reason } = await tlsOf(await authority.issue(["tunnel.test"], { days: 0 }));
    expect(reason).toMatch(/^the certificate has expired on \d{4}-\d\d-\d\d \(this machine's clock says /);
  });

  it("names a chain that is incomplete", async () => {
    const authority = await createAuthority();
    const { reason, advice } = await tlsOf(await authority.issue(["tunnel.test"]));
    expect(reason).toBe(
      "the chain is incomplete: the server sends only its own certificate, and 'Test authority', which signed " +
        "the last one, is not known here",
    );
    expect(advice).toContain("fullchain.pem");
  });

  it("names a chain that ends at an authority of somebody's own", async () => {
    const authority = await createAuthority();
    const pair = await authority.issue(["tunnel.test"]);
    const { reason } = await tlsOf({ ...pair, cert: pair.cert + authority.cert });
    expect(reason).toBe("the chain ends at 'Test authority', which is not trusted on this machine");
  });

  it("names a certificate that is self-signed", async () => {
    const { reason } = await tlsOf(await createSelfSigned("tunnel.test"));
    expect(reason).toBe("the certificate is self-signed, and not trusted on this machine");
  });

  it("says https:// to who wrote http://", async () => {
    const authority = await createAuthority();
    const folder = closing(createFolder());
    const pair = await authority.issue(["localhost"]);
    const files = [{ cert: folder.write("cert.pem", pair.cert), key: folder.write("key.pem", pair.key) }];
    const { port } = closing(await startRelay({ tls: { files } }));
    const found = await examine(settingsFor(`http://127.0.0.1:${port}`));
    expect(found.ids("failed"), found.said).toEqual(["relay"]);
    expect(found.step("relay").reason).toBe(`http://127.0.0.1:${port} speaks TLS, and not plain HTTP`);
  });

  it("says http:// to who wrote https://", async () => {
    const { port } = closing(await startRelay());
    const found = await examine(settingsFor(`https://127.0.0.1:${port}`));
    expect(found.ids("failed"), found.said).toEqual(["relay-tls"]);
    expect(found.step("relay-tls").reason).toBe(`127.0.0.1:${port} answers without TLS`);
  });
});

describe("the proxy on the way", () => {
  const through = (proxyUrl: string) =>
    settingsFor("http://relay.tunnel.test", undefined, {
      relay: { relayUrl: "http://relay.tunnel.test", proxyUrl, token: "a token" },
    });

  it("is not there", async () => {
    const port = await freePort();
    const found = await examine(through(`http://127.0.0.1:${port}`));
    expect(found.ids("failed"), found.said).toEqual(["proxy"]);
    expect(found.step("proxy").reason).toContain("ECONNREFUSED");
    expect(found.step("proxy").advice).toContain("HTTPS_PROXY");
  });

  it("wants a password", async () => {
    const { port } = closing(await startProxy("407 Proxy Authentication Required"));
    const found = await examine(through(`http://127.0.0.1:${port}`));
    expect(found.ids("failed"), found.said).toEqual(["proxy"]);
    expect(found.step("proxy").reason).toContain("the proxy answered 407");
    expect(found.step("proxy").advice).toContain("user:password");
  });

  it("does not connect to the relay", async () => {
    const { port } = closing(await startProxy("403 Forbidden"));
    const found = await examine(through(`http://127.0.0.1:${port}`));
    expect(found.step("proxy").reason).toContain("the proxy answered 403 Forbidden");
  });
});

describe("token and name", () => {
  const relayFor = async (...tokens: string[]): Promise<Listening> =>
    closing(
      await startRelay({
        authenticator: staticAuthenticator(tokens.map((text) => parseStaticToken(text))),
      }),
    );

  const asking = (port: number, token: string | undefined, subdomain?: string) =>
    settingsFor(`http://127.0.0.1:${port}`, undefined, {
      relay: {
        relayUrl: `http://127.0.0.1:${port}`,
        ...(token === undefined ? {} : { token }),
        ...(subdomain === undefined ? {} : { subdomain }),
      },
    });

  it("names a token that the relay does not know", async () => {
    const { port } = await relayFor("s3cret:demo");
    const found = await examine(asking(port, "wrong", "demo"));
    expect(found.ids("failed"), found.said).toEqual(["token"]);
    expect(found.step("token").reason).toContain("the relay refused the registration");
  });

  it("says that no token is given", async () => {
    const { port } = await relayFor("s3cret:demo");
    const found = await examine(asking(port, undefined));
    expect(found.ids("failed"), found.said).toEqual(["token"]);
    expect(found.step("token").reason).toContain("no token is given, and the relay is not open");
  });

  it("names a name that the token may not have", async () => {
    const { port } = await relayFor("s3cret:team-*,other");
    const found = await examine(asking(port, "s3cret", "demo"));
    expect(found.ids("failed"), found.said).toEqual(["name"]);
    expect(found.step("name").reason).toBe(
      "'demo' is not allowed: this token may have names like 'team-*', 'other'",
    );
  });

  it("warns of another name than the one that was asked for", async () => {
    const { port } = await relayFor("s3cret:bob");
    const found = await examine(asking(port, "s3cret", "eve"));
    expect(found.ids("warning"), found.said).toEqual(["name"]);
    expect(found.step("name").reason).toBe(`this token gets http://bob.localhost:${port}, and not 'eve'`);
  });

  it("takes any name of a pattern for as long as it looks", async () => {
    const { port } = await relayFor("s3cret:*");
    const found = await examine(asking(port, "s3cret"));
    expect(found.ids("failed"), found.said).toEqual([]);
    expect(found.step("name").verdict).toBe("warning");
    expect(found.step("tunnel").reason).toMatch(/^http:\/\/doctor-[0-9a-f]{12}\.localhost:/);
  });

  it("names a name that is in use, and leaves its client alone", async () => {
    const { port } = closing(await startRelay());
    const events: string[] = [];
    const client = closing(
      await startTunnelClient({
        fetch: () => new Response("hello"),
        relayUrl: `http://127.0.0.1:${port}`,
        token: "a token",
        subdomain: "demo",
      }),
    );
    for (const name of ["disconnected", "evicted", "reconnecting"] as const) {
      client.on(name, () => events.push(name));
    }
    const found = await examine(settingsFor(`http://127.0.0.1:${port}`));
    expect(found.ids("warning"), found.said).toEqual(["name"]);
    expect(found.step("name").reason).toContain(`http://demo.localhost:${port} is in use`);
    expect(found.step("tunnel").verdict).toBe("skipped");
    expect(client.state).toBe("online");
    expect(events).toEqual([]);
  });

  it("says that the relay wants a gate", async () => {
    const { port } = closing(await startRelay({ requireVisitorAuth: true }));
    const service = closing(await startService((_request, response) => response.end("hello")));
    const found = await examine(settingsFor(`http://127.0.0.1:${port}`, { port: service.port }));
    expect(found.ids("failed"), found.said).toEqual(["gate"]);
    expect(found.step("gate").advice).toBe("Add --visitor-auth oauth,bearer.");
  });
});
