// An honest visitor in a process of its own, so that it measures the relay and not a test that is busy with
// an attack. It asks for /status/200 so many times a second over kept connections, from an address of its
// own, until it is told to stop. Then it reports how it fared. It also tells when the first answer has come.
// Arguments: port, host name, requests per second, local address.
import { Agent, request } from "node:http";

const [port, host, rate, localAddress] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: 64 });
/** @type {number[]} */
const latenciesMs = [];
/** @type {Record<string, number>} */
const failures = {};
let sent = 0;
let ready = false;
const startedAtMs = performance.now();

function ask() {
  const askedAtMs = performance.now();
  /** @param {string} why */
  const fail = (why) => {
    failures[why] = (failures[why] ?? 0) + 1;
  };
  const headers = { host };
  const req = request({ agent, host: "127.0.0.1", port, path: "/status/200", localAddress, headers });
  req.setTimeout(30_000, () => req.destroy(new Error("no answer in 30 s")));
  req.on("response", (res) => {
    res.resume();
    res.on("end", () => {
      if (!ready) process.send?.("ready");
      ready = true;
      if (res.statusCode === 200) latenciesMs.push(performance.now() - askedAtMs);
      else fail(`status ${res.statusCode}`);
    });
    res.on("error", (error) => fail(String(error)));
  });
  req.on("error", (error) => fail(/** @type {NodeJS.ErrnoException} */ (error).code ?? error.message));
  req.end();
}

// Sends as many requests as are due by now, so that a late timer does not thin them out.
const timer = setInterval(() => {
  const due = ((performance.now() - startedAtMs) / 1_000) * Number(rate);
  for (; sent < due; sent++) ask();
}, 10);

process.once("message", () => {
  clearInterval(timer);
  const finish = () => {
    const answered = latenciesMs.length + Object.values(failures).reduce((sum, count) => sum + count, 0);
    if (answered < sent) {
      setTimeout(finish, 20);
      return;
    }
    latenciesMs.sort((a, b) => a - b);
    /** @param {number} share */
    const quantile = (share) =>
      latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(latenciesMs.length * share))];
    process.send?.({
      sent,
      failures,
      medianMs: quantile(0.5),
      p99Ms: quantile(0.99),
      slowestMs: latenciesMs.at(-1),
    });
    process.disconnect();
    agent.destroy();
  };
  finish();
});
