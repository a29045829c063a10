// An honest visitor in a process of its own: `honest-main.js PORT [CA]`. It asks for something small 100
// times a second over kept connections, from an address of its own. For each message from its parent, it
// reports how it fared since the last message. With the file of a certificate it asks over TLS.
import { readFileSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import { quantile } from "../stats.js";

/** How an honest visitor fared. */
export interface HonestReport {
  answered: number;
  /** How many requests failed, by what was wrong. */
  failures: Record<string, number>;
  p50Ms: number;
  p99Ms: number;
}

const port = Number(process.argv[2]);
const caFile = process.argv[3];
const perSecond = 100;
const host = "demo.localhost";
const kept = { keepAlive: true, maxSockets: 256 };
const agent =
  caFile === undefined
    ? new http.Agent(kept)
    : new https.Agent({ ...kept, ca: readFileSync(caFile), servername: host });
const { request } = caFile === undefined ? http : https;
let latenciesMs: number[] = [];
let failures: Record<string, number> = {};
let sent = 0;
let over = 0;
const startedAtMs = performance.now();

function ask(): void {
  const askedAtMs = performance.now();
  const fail = (why: string): void => {
    over += 1;
    failures[why] = (failures[why] ?? 0) + 1;
  };
  const place = { host: "127.0.0.1", port, localAddress: "127.0.0.2" };
  const req = request({ ...place, agent, path: "/small", headers: { host } });
  req.setTimeout(10_000, () => req.destroy(new Error("no answer in 10 s")));
  req.on("response", (res) => {
    res.resume();
    res.on("error", (error) => fail(String(error)));
    res.on("end", () => {
      if (res.statusCode !== 200) {
        fail(`status ${res.statusCode}, ${String(res.headers["x-tunnel-error"])}`);
        return;
      }
      over += 1;
      latenciesMs.push(performance.now() - askedAtMs);
    });
  });
  req.on("error", (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
  req.end();
}

// Sends as many requests as are due by now, so that a late timer does not thin them out.
setInterval(() => {
  for (; sent < ((performance.now() - startedAtMs) / 1_000) * perSecond; sent++) ask();
}, 10);

process.on("message", () => {
  // The report waits for open requests: they belong to the attack so far.
  const due = sent;
  const timer = setInterval(() => {
    if (over < due) return;
    clearInterval(timer);
    const sorted = latenciesMs.toSorted((a, b) => a - b);
    const report: HonestReport = {
      answered: sorted.length,
      failures,
      p50Ms: sorted.length === 0 ? 0 : quantile(sorted, 0.5),
      p99Ms: sorted.length === 0 ? 0 : quantile(sorted, 0.99),
    };
    latenciesMs = [];
    failures = {};
    process.send?.(report);
  }, 10);
});
process.on("disconnect", () => process.exit());
