import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";
import { createAuthority, createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { RunningCommand, startRelayCommand } from "../support/commands.js";
import { freshNpm } from "../support/npm.js";
import { visitHttp1 } from "../support/secure.js";
import { startUpstream } from "../support/upstream.js";

// What somebody does who has a server with this relay, and a laptop with Node and nothing of ours: start the
// relay, and run the line that it prints. `npm run newcomer` says how long it takes.

const closing = closingAfterEach();
/** How long all of it may take, in seconds. */
const maxSeconds = 10;

/** A registry that has nothing, and notes what it was asked for. */
async function startRegistry(): Promise<{ url: string; asked: string[]; close(): void }> {
  const asked: string[] = [];
  const server = createServer((req, res) => {
    asked.push(`${req.method} ${req.url}`);
    res.writeHead(404, { "content-type": "application/json" }).end("{}");
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/`, asked, close: () => server.close() };
}

it(`has a public URL that answers within ${maxSeconds} seconds, by the line that the relay prints`, async () => {
  const upstream = closing(await startUpstream());
  const registry = closing(await startRegistry());
  const certificates = closing(createFolder());
  const authority = await createAuthority();
  // The one name that resolves everywhere, as the name of a real relay would.
  const pair = await authority.issue(["localhost", "demo.localhost"]);
  const caFile = certificates.write("ca.pem", authority.cert);
  const startedAt = performance.now();
  const relay = closing(
    await startRelayCommand([
      ...["--tls-cert", certificates.write("relay.pem", pair.cert)],
      ...["--tls-key", certificates.write("relay.key", pair.key)],
      ...["--public-url", "https://{subdomain}.{domain}:{port}", "--static-token", "a-long-secret:demo"],
    ]),
  );
  const { command } = await relay.waitForJson({ msg: "the client is handed out" });
  const relayIsUpAt = performance.now();
  const line = String(command).replace(" 3000 ", ` ${upstream.port} `).replace("TOKEN", "a-long-secret");
  const [program = "", ...args] = line.split(" ");
  expect(program).toBe("npx");
  const home = closing(createFolder()).path;
  const env = { ...freshNpm(home, registry.url), NODE_EXTRA_CA_CERTS: caFile };
  // A group of its own, because npx starts the client through a shell.
  const client = closing(new RunningCommand(program, args, { env, cwd: home, ownGroup: true }));
  const url = await client.waitFor("URL", () => /https:\/\/demo\.localhost:\d+/.exec(client.output)?.[0]);
  const response = await visitHttp1(relay.port, new URL(url).hostname, "/bytes/5", authority.cert);
  expect({ status: response.statusCode, body: (await text(response)).length }).toEqual({
    status: 200,
    body: 5,
  });
  const seconds = (performance.now() - startedAt) / 1_000;
  const relaySeconds = (relayIsUpAt - startedAt) / 1_000;
  console.log(
    `a newcomer's URL answers after ${seconds.toFixed(1)} s; the relay took ${relaySeconds.toFixed(1)} s of it`,
  );
  client.interrupt();
  await client.exited;
  expect(seconds).toBeLessThan(maxSeconds);
  // npm looks whether there is a newer npm, and whether what it installed has known weaknesses.
  const packages = registry.asked.filter(
    (one) => !["GET /npm", "POST /-/npm/v1/security/advisories/bulk"].includes(one),
  );
  expect(packages).toEqual([]);
}, 60_000);
