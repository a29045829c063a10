import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { runClient } from "../../../test/support/commands.js";
import { missingProgram } from "../../../test/support/requires.js";
import { startTunnelClient } from "../src/client.js";
import { visit } from "./relay-side.js";
import { TestRelay } from "./test-relay.js";

const closing = closingAfterEach();

/** A service over TLS with a certificate that it signed itself, and the file of that certificate. */
async function startSecureService(): Promise<{ port: number; certificate: string }> {
  const folder = await mkdtemp(join(tmpdir(), "mcp-tunnel-client-"));
  closing({ close: () => rm(folder, { recursive: true }) });
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  const request = [
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-days",
    "1",
  ];
  const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  execFileSync("openssl", [...request, ...names, "-keyout", key, "-out", certificate], { stdio: "ignore" });
  const server = createServer({ key: await readFile(key), cert: await readFile(certificate) }, (req, res) => {
    res.end(`host ${req.headers.host}`);
  });
  server.on("upgrade", (_req, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n");
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing({
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  });
  return { port: (server.address() as AddressInfo).port, certificate };
}

describe.skipIf(missingProgram("openssl"))("a relay over TLS", () => {
  it("is not reached when nobody vouches for its certificate, and the way out is named", async () => {
    const { port } = await startSecureService();
    await expect(
      startTunnelClient({ port: 3000, relayUrl: `https://localhost:${port}` }),
    ).rejects.toMatchObject({
      code: "unreachable",
      message: expect.stringMatching(
        /: self-signed certificate.* \(to trust it, .* --relay-ca <path>, .*\)$/,
      ),
    });
  });
});

describe.skipIf(missingProgram("openssl"))("a local service over TLS", () => {
  it("is reached when its certificate is trusted, whatever Host it is told", async () => {
    const service = await startSecureService();
    const relay = closing(await new TestRelay().listen());
    const args = [
      `https://localhost:${service.port}`,
      "--relay",
      relay.url,
      "--json",
      "--host-header",
      "preserve",
    ];
    const client = closing(runClient([...args, "--service-ca", service.certificate]));
    await client.waitForJson({ event: "connected" });
    const headers = ["Host", "demo.relay.test"];
    expect((await visit(relay.session as never, { headers }).complete()).text).toBe("host demo.relay.test");
    const upgraded = visit(relay.session as never, {
      headers: ["Upgrade", "echo"],
      upgrade: true,
      body: "open",
    });
    upgraded.stream.write(Buffer.from("ping"));
    await upgraded.until(() => upgraded.text === "ping");
    upgraded.stream.reset("cancelled");
  });

  it("is not reached otherwise, and the way out is named", async () => {
    const service = await startSecureService();
    const relay = closing(await new TestRelay().listen());
    const client = closing(runClient([`https://localhost:${service.port}`, "--relay", relay.url, "--json"]));
    await client.waitForJson({ event: "connected" });
    expect((await visit(relay.session as never).cut()).code).toBe("upstream_unreachable");
    const { message } = await client.waitForJson({ event: "error" });
    expect(message).toContain("--service-ca <path>");
  });
});
