// Many tunnels from one process, through the client library:
// `node tunnels-main.js LIBRARY RELAY_PORT UPSTREAM_PORT FIRST COUNT`. The names are t1, t2, ..., from the
// number FIRST on. The process sends the word "open" to its parent, if that listens, when all of them are
// registered.
import type { startTunnelClient as Start } from "mcp-tunnel-client";

const library = process.argv[2] as string;
const [relayPort, upstreamPort, first, count] = process.argv.slice(3).map(Number) as [
  number,
  number,
  number,
  number,
];

const { startTunnelClient } = (await import(library)) as { startTunnelClient: typeof Start };

/** As many registrations at a time as a relay takes from several such processes without queueing for long. */
const batch = 25;

/** A machine that is busy with the start of thousands may be slow, and no tunnel may be missing. */
const registerTimeoutMs = 60_000;

for (let at = first; at < first + count; at += batch) {
  const names = Array.from({ length: Math.min(batch, first + count - at) }, (_, i) => `t${at + i}`);
  await Promise.all(
    names.map((subdomain) =>
      startTunnelClient({
        port: upstreamPort,
        relayUrl: `http://127.0.0.1:${relayPort}`,
        token: `token-${subdomain}`,
        subdomain,
        registerTimeoutMs,
      }),
    ),
  );
}
process.send?.("open");
