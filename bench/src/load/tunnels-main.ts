// Many tunnels from one process, through the client library:
// `node tunnels-main.js RELAY_PORT UPSTREAM_PORT COUNT`. The names are t1, t2, ... The process sends the word
// "open" to its parent when all of them are registered.
import { startTunnelClient } from "mcp-tunnel-client";

const [relayPort, upstreamPort, count] = process.argv.slice(2).map(Number) as [number, number, number];

/** As many registrations at a time as a relay takes without queueing for long. */
const batch = 50;

for (let first = 1; first <= count; first += batch) {
  const names = Array.from({ length: Math.min(batch, count - first + 1) }, (_, i) => `t${first + i}`);
  await Promise.all(
    names.map((subdomain) =>
      startTunnelClient({
        port: upstreamPort,
        relayUrl: `http://127.0.0.1:${relayPort}`,
        token: `token-${subdomain}`,
        subdomain,
      }),
    ),
  );
}
process.send?.("open");
