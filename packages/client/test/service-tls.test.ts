import { once } from "node:events";
import { createServer } from "node:https";
import type { ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { beforeEach, describe, expect, it } from "vitest";
import { createAuthority, createSelfSigned } from "../../../test/support/certificates.js";
import type { Authority } from "../../../test/support/certificates.js";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { createService } from "../src/create-service.js";
import type { ServiceOptions } from "../src/service-options.js";
import { startRig, visit } from "./relay-side.js";

const closing = closingAfterEach();
let authority: Authority;

beforeEach(async () => {
  authority = await createAuthority();
});

/** A service over TLS, which also echoes what comes behind an upgrade. */
async function startService(options: ServerOptions): Promise<string> {
  const server = createServer(options, (req, res) => res.end(`host ${req.headers.host}`));
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
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** What a visitor gets: of a request over a pooled connection, and of an upgrade. */
async function outcome(target: string, serviceTls: ServiceOptions["serviceTls"]): Promise<string[]> {
  const options = { target, ...(serviceTls === undefined ? {} : { serviceTls }) };
  const rig = closing(startRig(options));
  const plain = visit(rig.relay);
  await plain.until((one) => one.trailers !== undefined || one.reset !== undefined);
  const upgraded = visit(rig.relay, { headers: ["Upgrade", "echo"], upgrade: true, body: "open" });
  await upgraded.until((one) => one.head !== undefined || one.reset !== undefined);
  if (upgraded.head !== undefined) {
    upgraded.stream.write(Buffer.from("ping"));
    await upgraded.until((one) => one.text === "ping");
    upgraded.stream.reset("cancelled");
  }
  return [plain, upgraded].map(({ head, reset }) => reset?.message ?? String(head?.status));
}

const good = ["200", "101"];

describe("TLS with the local service", () => {
  it("believes the authority that it was given", async () => {
    const target = await startService(await authority.issue(["127.0.0.1"]));
    const advice = "--service-ca <path>, serviceTls.ca in a program, or NODE_EXTRA_CA_CERTS";
    for (const message of await outcome(target, undefined)) expect(message).toContain(advice);
    expect(await outcome(target, { ca: authority.cert })).toEqual(good);
  });

  it("wants a certificate for the name that it was given", async () => {
    const target = await startService(await authority.issue(["box.lan"]));
    const ca = authority.cert;
    for (const message of await outcome(target, { ca })) expect(message).toContain("is this the name");
    expect(await outcome(target, { ca, servername: "box.lan" })).toEqual(good);
  });

  it("believes any certificate, if it was told to", async () => {
    const target = await startService(await createSelfSigned("elsewhere.test"));
    expect(await outcome(target, { rejectUnauthorized: true })).not.toEqual(good);
    expect(await outcome(target, { rejectUnauthorized: false })).toEqual(good);
  });

  it("shows a certificate to a service that asks for one", async () => {
    const pair = await authority.issue(["127.0.0.1"]);
    const ca = authority.cert;
    const target = await startService({ ...pair, ca, requestCert: true, rejectUnauthorized: true });
    expect(await outcome(target, { ca })).not.toEqual(good);
    expect(await outcome(target, { ca, ...(await authority.issue(["client.test"])) })).toEqual(good);
  });

  it.each<[ServiceOptions, string]>([
    [{ port: 3000 }, "serviceTls has no effect with http://localhost:3000, which has no TLS"],
    [{ target: "http://box.lan" }, "serviceTls has no effect with http://box.lan"],
    [{ fetch: () => new Response() }, "serviceTls has no effect with the request handler"],
  ])("is refused where there is none: %j", (options, message) => {
    expect(() => createService({ ...options, serviceTls: { rejectUnauthorized: false } })).toThrow(message);
  });
});
