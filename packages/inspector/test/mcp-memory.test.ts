import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import {
  type FakeExchange,
  modern,
  notification,
  openSession,
  request,
  result,
  Rig,
  text,
  toolCall,
} from "./support/mcp-rig.js";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function used(): number {
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

const exchanges = 1_000;
const long = "ä".repeat(5_000);

/** An event, without the fake's list of events, which takes memory itself. */
function tell(rig: Rig, { entry }: FakeExchange, data: string): void {
  rig.view.event(entry, {
    atMs: 1.5,
    event: "",
    id: undefined,
    data,
    isComment: false,
    bytes: 1,
    isCut: false,
  });
}

const kinds: Readonly<Record<string, (id: number) => { request: object; events: readonly object[] }>> = {
  "small calls": (id) => ({
    request: toolCall(id, `tool ${id}`),
    events: [result(id, text(`result ${id}`))],
  }),
  "reports of progress": (id) => ({
    request: toolCall(id, "count", {}, { progressToken: `token ${id}` }),
    events: Array.from({ length: 50 }, (_, progress) =>
      notification("notifications/progress", {
        progressToken: `token ${id}`,
        progress,
        message: `at ${progress}`,
      }),
    ),
  }),
  "long logs, and notifications with long names": (id) => ({
    request: toolCall(id, "log"),
    events: [
      notification("notifications/message", { level: "info", data: `${id}${long}` }),
      notification(`${id}${long}`),
      notification(`${id}${long}`),
    ],
  }),
  "requests of the server": (id) => ({
    request: toolCall(id, "ask"),
    events: Array.from({ length: 5 }, (_, i) =>
      request(`${id} ${i} ${long}`, "elicitation/create", { message: long }),
    ),
  }),
  "calls with long names and ids, that fail": (id) => ({
    request: toolCall(`${id}${long}`, `${id}${long}`),
    events: [{ jsonrpc: "2.0", id: null, error: { code: -1, message: `${id}${long}` } }],
  }),
};

it.each(Object.entries(kinds))("counts as much as it takes for %s", (_, make) => {
  const rig = new Rig();
  const headers = openSession(rig);
  const made = Array.from({ length: exchanges }, (_unused, id) => {
    const { request: body, events } = make(id);
    const exchange = rig.begin({ headers, body });
    exchange.entry.events = { kept: [], dropped: 0 };
    return { exchange, events: events.map((event) => JSON.stringify(event)) };
  });
  const before = used();
  for (const { exchange, events } of made) {
    rig.view.requested(exchange.entry);
    for (const event of events) tell(rig, exchange, event);
  }
  const taken = used() - before;
  const counted = [...rig.grown.values()].reduce((sum, bytes) => sum + bytes, 0);
  expect(taken).toBeLessThan(1.3 * counted);
  expect(counted).toBeLessThan(3 * taken);
  // What the test has made itself has to last until here.
  expect(made).toHaveLength(exchanges);
});

it("counts as much as it takes for calls that are made again with answers", () => {
  const rig = new Rig();
  const made = Array.from({ length: exchanges }, (_, id) => {
    const inputRequests = { [`key ${id}`]: { method: "elicitation/create", params: { message: long } } };
    const asking = { resultType: "input_required", inputRequests, requestState: `${id}` };
    const inputResponses = { [`key ${id}`]: { action: long } };
    const ask = rig.begin(modern(2 * id, "tools/call", { name: "ask" }));
    const again = modern(2 * id + 1, "tools/call", { name: "ask", inputResponses, requestState: `${id}` });
    return { ask, again: rig.begin(again), asking: JSON.stringify(result(2 * id, asking)) };
  });
  const before = used();
  for (const { ask, again, asking } of made) {
    rig.view.requested(ask.entry);
    ask.entry.events = { kept: [], dropped: 0 };
    tell(rig, ask, asking);
    rig.view.requested(again.entry);
  }
  const taken = used() - before;
  const counted = [...rig.grown.values()].reduce((sum, bytes) => sum + bytes, 0);
  expect(taken).toBeLessThan(1.3 * counted);
  expect(made).toHaveLength(exchanges);
});

it("holds nothing of exchanges that are gone, but what opened their session and its tools", () => {
  const rig = new Rig();
  const headers = openSession(rig);
  // The first exchanges make what is needed once.
  const run = (): void => {
    for (let id = 0; id < exchanges; id++) {
      const call = rig.post(toolCall(id, `tool ${id}`, {}, { progressToken: `token ${id}` }), { headers });
      tell(rig, call, JSON.stringify(request(`${id}`, "elicitation/create", { message: "?" })));
      tell(rig, call, JSON.stringify(result(id)));
      rig.forget(call);
      rig.grown.clear();
    }
  };
  run();
  const before = used();
  run();
  expect(used() - before).toBeLessThan(500_000);
});
