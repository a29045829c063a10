import { createRelay, type RelayOptions } from "mcp-tunnel";
import { startTunnelClient } from "mcp-tunnel-client";
import { beforeAll, describe, expect, it } from "vitest";
import { nginxVersion } from "../security/support/nginx.js";
import { RawVisitor } from "../security/support/raw-visitor.js";
import { type Authority, createAuthority, createFolder, type Folder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { missingProgram } from "../support/requires.js";
import { connectHttp2Visitor, get } from "../support/secure.js";
import { startUpstream } from "../support/upstream.js";
import { caddy, nginx, type ProxyProgram } from "./proxies.js";

/**
 * The fault: nginx takes the first head that comes for the answer, and knows of no other interim status than
 * 101. Release 1.29 has learned to wait after a 103, and after no other. Over HTTP/2 the visitor then gets
 * nothing but a reset: a local service that sends early hints cannot be reached.
 *
 * So visitors behind a trusted proxy get no interim heads unless the operator says that the proxy can take
 * them.
 */
const close = closingAfterEach();

let authority: Authority;
let folder: Folder;
beforeAll(async () => {
  authority = await createAuthority();
  folder = createFolder();
  return () => folder.close();
});

async function startTunnel(options: Partial<RelayOptions> = {}): Promise<number> {
  const upstream = close(await startUpstream());
  const trustedProxies = ["127.0.0.1"];
  const relay = createRelay({
    domain: "tunnel.test",
    host: "127.0.0.1",
    port: 0,
    trustedProxies,
    ...options,
  });
  const { port } = await relay.listen();
  close({ close: () => relay.close(0) });
  const relayUrl = `http://127.0.0.1:${port}`;
  close(await startTunnelClient({ port: upstream.port, relayUrl, subdomain: "demo" }));
  return port;
}

async function visitHints(program: ProxyProgram, options: Partial<RelayOptions> = {}) {
  const certificate = await authority.issue(["tunnel.test", "*.tunnel.test"]);
  const proxy = close(await program.start(folder, certificate, await startTunnel(options)));
  const session = close(await connectHttp2Visitor(proxy.httpsPort, "demo.tunnel.test", authority.cert));
  return get(session, "/hints");
}

describe.each([nginx, caddy])("behind $name, over HTTP/2", (program) => {
  it.skipIf(missingProgram(program.name))("the answer after a 103 arrives", async () => {
    expect(await visitHints(program)).toMatchObject({ status: 200, body: "hinted\n" });
  });
});

it.skipIf(missingProgram("nginx") || !/^1\.(?:\d|1\d|2[0-8])\./.test(nginxVersion() ?? ""))(
  "with --interim-to-proxies pass, nginx loses it: the fault is real",
  async () => {
    await expect(visitHints(nginx, { interimToProxies: "pass" })).rejects.toThrow();
  },
);

describe("a trusted proxy", () => {
  it("gets interim heads if it is said to take them", async () => {
    for (const interimToProxies of ["drop", "pass"] as const) {
      const proxy = close(new RawVisitor({ port: await startTunnel({ interimToProxies }) }));
      proxy.send("GET /hints HTTP/1.1\r\nHost: demo.tunnel.test\r\nConnection: close\r\n\r\n");
      expect((await proxy.all()).includes("HTTP/1.1 103 ")).toBe(interimToProxies === "pass");
    }
  });

  it("gets the 100 that it has asked for", async () => {
    const proxy = close(new RawVisitor({ port: await startTunnel() }));
    proxy.send(
      "POST /echo HTTP/1.1\r\nHost: demo.tunnel.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n" +
        "Connection: close\r\n\r\n",
    );
    await proxy.until((received) => received.includes("HTTP/1.1 100 Continue\r\n\r\n"));
    proxy.send("hello");
    expect(await proxy.all()).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n.*hello$/s);
  });
});
