import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { RawVisitor, startRelay, V1Client } from "./support.js";

const opened = closingAfterEach();

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const timesIn = (text: string, part: string): number => text.split(part).length - 1;

// A head of many short fields takes fifteen times as much memory as it had bytes.
it.each<[string, number, (visitor: RawVisitor) => void]>([
  ["GET", 1, (visitor) => visitor.request("GET /a HTTP/1.1\nX-Own: a")],
  ["HEAD", 1, (visitor) => visitor.request("HEAD /a HTTP/1.1\nX-Own: a")],
  ["POST", 1, (visitor) => visitor.request("POST /a HTTP/1.1\nContent-Length: 4", "body")],
  [
    "pipelined GET",
    2,
    (visitor) => {
      visitor.socket.cork();
      for (let i = 0; i < 2; i++) visitor.request("GET /a HTTP/1.1\nX-Own: a");
      visitor.socket.uncork();
    },
  ],
])("an idle connection keeps nothing of its last request, a %s", async (_method, answers, ask) => {
  const heads: WeakRef<readonly string[]>[] = [];
  const relay = opened(
    await startRelay({
      // The test's own would keep the records of the requests.
      observers: [],
      judges: [
        ({ headers }) => {
          heads.push(new WeakRef(headers));
          return undefined;
        },
      ],
    }),
  );
  const client = opened(await V1Client.connect(relay.port, "app"));
  const visitor = opened(new RawVisitor(relay.port));
  const answer = async (): Promise<void> => {
    const { stream } = await client.accept();
    stream.sendHead({ status: 200, headers: ["Content-Length", "0"] }, true);
  };
  ask(visitor);
  for (let i = 0; i < answers; i++) {
    // oxlint-disable-next-line no-await-in-loop -- one request after the other
    await answer();
  }
  await visitor.until((received) => timesIn(received, "\r\n\r\n") === answers);
  expect(heads.length).toBe(answers);
  const kept = () => heads.filter((head) => head.deref() !== undefined).length;
  // A weak reference is looked at in a later turn.
  for (let turn = 0; turn < 20 && kept() > 0; turn++) {
    // oxlint-disable-next-line no-await-in-loop -- one turn after the other
    await nextTurn();
    collectGarbage();
  }
  expect(kept()).toBe(0);

  visitor.request("GET /b HTTP/1.1\nConnection: close");
  await answer();
  await visitor.all();
  expect(timesIn(visitor.received, "HTTP/1.1 200")).toBe(answers + 1);
});
