// Loaded into a command under test (--import). On SIGUSR2 it collects garbage and writes one line of JSON to
// stderr: the heap, the open handles and timers, and the number of addresses with open connections or
// requests. On SIGCONT it writes the number of objects of each class.
import { basename } from "node:path";
import { queryObjects, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc");
const isRelay = basename(process.argv[1] ?? "") === "mcp-tunnel.js";
const dist = new URL(`../../packages/${isRelay ? "relay" : "client"}/dist/`, import.meta.url);
const protocol = new URL("../../packages/protocol/dist/", import.meta.url);

/** The modules of the command itself: a URL is loaded only once. */
const [{ V1RelaySession }, { V1ClientSession }, { V1Stream }, { WebSocketLink }, { Exchange }] =
  await Promise.all([
    import(new URL("v1/relay-session.js", protocol).href),
    import(new URL("v1/client-session.js", protocol).href),
    import(new URL("v1/stream.js", protocol).href),
    import(new URL("ws-link.js", protocol).href),
    import(new URL(isRelay ? "http/exchange/exchange.js" : "service/exchange.js", dist).href),
  ]);
const Session = isRelay ? V1RelaySession : V1ClientSession;
/** @type {Record<string, Function>} */
const classes = { Session, V1Stream, WebSocketLink, Exchange };
/** @type {Set<{ size: number }>} */
const occupancies = new Set();
if (isRelay) {
  const { JsonRelaySession } = await import(new URL("json/relay-session.js", protocol).href);
  const { Tunnel } = await import(new URL("tunnels/tunnel.js", dist).href);
  const { Inbox } = await import(new URL("registration/inbox.js", dist).href);
  const { Occupancy } = await import(new URL("admission/addresses.js", dist).href);
  Object.assign(classes, { JsonRelaySession, Tunnel, Inbox });
  const { enter } = Occupancy.prototype;
  /** @param {string} key */
  Occupancy.prototype.enter = function (key) {
    occupancies.add(this);
    return enter.call(this, key);
  };
}

process.on("SIGUSR2", () => void measure());

async function measure() {
  let heapBytes = Number.POSITIVE_INFINITY;
  // Some objects close over several turns of the loop. They let go of the rest in the end.
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    collectGarbage();
    heapBytes = Math.min(heapBytes, process.memoryUsage().heapUsed);
  }
  /** @type {Record<string, number>} */
  const handles = {};
  for (const name of process.getActiveResourcesInfo()) handles[name] = (handles[name] ?? 0) + 1;
  const addresses = [...occupancies].reduce((sum, { size }) => sum + size, 0);
  tell({ heapBytes, handles, addresses });
}

// A signal of its own, because a search for the objects of one class takes half a second.
process.on("SIGCONT", () => {
  tell(Object.fromEntries(Object.entries(classes).map(([name, one]) => [name, queryObjects(one)])));
});

/** @param {object} probe */
function tell(probe) {
  process.stderr.write(`${JSON.stringify({ probe })}\n`);
}
