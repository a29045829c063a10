// Many tunnels in one process: `node many-clients.mjs RELAY_PORT SERVICE_PORT FIRST COUNT`. Sends "open" when
// all are registered; then the number of links that were lost so far, whenever another one is, or has come
// back.
import { startTunnelClient } from "mcp-tunnel-client";

const [relayPort, servicePort, first, count] = process.argv.slice(2).map(Number);
/** As many registrations at a time as a busy machine takes. */
const batch = 25;
let lost = 0;
let back = 0;

async function open(number) {
  const client = await startTunnelClient({
    port: servicePort,
    relayUrl: `http://127.0.0.1:${relayPort}`,
    token: `token-${number}`,
    subdomain: `t${number}`,
    registerTimeoutMs: 60_000,
    waitForRelay: true,
  });
  client.on("disconnected", () => {
    lost += 1;
    process.send({ lost, back });
  });
  client.on("connected", () => {
    back += 1;
    process.send({ lost, back });
  });
}

for (let at = first; at < first + count; at += batch) {
  const numbers = Array.from({ length: Math.min(batch, first + count - at) }, (_, i) => at + i);
  await Promise.all(numbers.map(open));
}
process.send("open");
