// The client as a library: a program that gives a server of its own a public URL.
// `node library.mjs RELAY_URL [TOKEN]`, for example `node library.mjs http://localhost:8080`
import { once } from "node:events";
import { createServer } from "node:http";
import { startTunnelClient } from "mcp-tunnel-client";

const [relayUrl, token] = process.argv.slice(2);
if (relayUrl === undefined) {
  console.error("usage: node library.mjs RELAY_URL [TOKEN]");
  process.exit(2);
}

const server = createServer((req, res) => {
  res.end(`Hello from behind the tunnel. You asked for ${req.url}.\n`);
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());

const tunnel = await startTunnelClient({ port, relayUrl, ...(token === undefined ? {} : { token }) });
console.log(`public URL: ${tunnel.url}`);

tunnel.on("request", ({ method, path, status }) => console.log(`${method} ${path} ${status}`));
tunnel.on("disconnected", ({ cause }) =>
  console.log(`connection lost (${cause.message}); coming back by itself`),
);
tunnel.on("connected", ({ url }) => console.log(`connected again: ${url}`));
// The tunnel ended although nobody stopped it: the relay refused, or another client took the name.
tunnel.on("closed", ({ error }) => {
  if (error !== undefined) console.error(`tunnel closed: ${error.message}`);
  server.close();
});

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => void tunnel.close());
