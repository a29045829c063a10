// A service and a visitor of its own tunnel, in a process of their own: the times that it measures are not
// those of a test that is busy with a thousand clients. It sends its port to the test. The test tells it
// which relay to ask, then to stop.
import { once } from "node:events";
import { createServer, request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

const server = createServer((_req, res) => res.end("probed")).listen(0, "127.0.0.1");
await once(server, "listening");
process.send?.({ port: Object(server.address()).port });

const [{ relayPort }] = await once(process, "message");
let stopped = false;
process.once("message", () => {
  stopped = true;
});
/** @type {number[]} */
const latenciesMs = [];
let failures = 0;
do {
  const askedAtMs = performance.now();
  if ((await ask()) === 200) latenciesMs.push(performance.now() - askedAtMs);
  else failures += 1;
  await delay(10);
} while (!stopped);
latenciesMs.sort((a, b) => a - b);
const medianMs = latenciesMs[latenciesMs.length >> 1];
process.send?.({ served: latenciesMs.length, failures, medianMs, slowestMs: latenciesMs.at(-1) });
process.disconnect();
server.close();
server.closeAllConnections();

/** @returns {Promise<number | undefined>} the status */
function ask() {
  return new Promise((resolve) => {
    const req = request({
      host: "127.0.0.1",
      port: relayPort,
      agent: false,
      headers: { host: "probe.localhost" },
    });
    req.on("response", (res) => {
      res.resume();
      res.on("close", () => resolve(res.statusCode));
    });
    req.on("error", () => resolve(undefined));
    req.end();
  });
}
