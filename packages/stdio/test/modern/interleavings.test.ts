import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { expect, it } from "vitest";
import { isObject, type JsonObject } from "mcp-tunnel-shared";
import type { SharedServer } from "../../src/modern/shared-server.js";
import { post, received, scriptedServer, started, textsOf, type ScriptedProcess } from "./scripted-server.js";

const subscriptionId = "io.modelcontextprotocol/subscriptionId";

/** What the world does next, to the visitor with the index. */
type Step = {
  readonly does: "progress" | "event" | "answer" | "refuse" | "leave" | "late";
  readonly visitor: number;
};

interface Visitor {
  readonly index: number;
  /** Visitors choose from few ids, so that many have the same. */
  readonly id: string | number;
  readonly token: string | number;
  readonly kind: "call" | "listen";
}

const choice = fc.constantFrom<string | number>(1, 2, "1", "2", 3);
const visitors = fc.array(fc.record({ id: choice, token: choice, kind: fc.constantFrom("call", "listen") }), {
  minLength: 1,
  maxLength: 8,
});
const steps = fc.array(
  fc.record({
    does: fc.constantFrom("progress", "event", "answer", "refuse", "leave", "late"),
    visitor: fc.nat({ max: 7 }),
  }),
  { maxLength: 60 },
);

/** A request of a visitor that is on its way. */
class Running {
  readonly visitor: Visitor;
  readonly leaving = new AbortController();
  readonly texts: Promise<string[]>;
  /** The marks of the messages that the visitor has to get, in their order. */
  readonly expected: number[] = [];
  state: "open" | "answered" | "left" = "open";

  constructor(server: SharedServer, visitor: Visitor) {
    this.visitor = visitor;
    this.texts = this.#post(server);
  }

  async #post(server: SharedServer): Promise<string[]> {
    const { index, id, token, kind } = this.visitor;
    const method = kind === "call" ? "custom/call" : "subscriptions/listen";
    const { signal } = this.leaving;
    const posted = post(method, { id, params: { index }, meta: { progressToken: token }, signal });
    const response = await server.post(...posted);
    return response.status === 499 ? [] : textsOf(response);
  }

  /** Does a step. `mark`: what the message is told by. */
  take(does: Step["does"], process: ScriptedProcess, mark: number): void {
    // A server says nothing of a request that it has answered. Of one that was cancelled it may.
    if (this.state === "answered" || (this.state === "left" && does !== "late")) return;
    if (does === "leave") {
      this.leaving.abort();
      this.state = "left";
      return;
    }
    if (this.state === "open") this.expected.push(mark);
    if (does === "answer" || does === "refuse") this.state = "answered";
    process.say(this.#message(does, this.#numberIn(process), mark));
  }

  #numberIn(process: ScriptedProcess): unknown {
    const requests = process.messages as { id: unknown; params: { index?: number } }[];
    return requests.find(({ params }) => params.index === this.visitor.index)?.id;
  }

  #message(does: Step["does"], number: unknown, mark: number): JsonObject {
    if (does === "refuse")
      return { jsonrpc: "2.0", id: number, error: { code: -1, message: "No", data: { mark } } };
    const isListen = this.visitor.kind === "listen";
    const stamp = isListen ? { [subscriptionId]: number } : {};
    if (does === "answer") return { jsonrpc: "2.0", id: number, result: { mark, _meta: stamp } };
    if (does === "event" && isListen)
      return { jsonrpc: "2.0", method: "notifications/tools/list_changed", params: { mark, _meta: stamp } };
    return { jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: number, mark } };
  }
}

it("every message reaches the visitor whom it is for, under that visitor's names, and no other", async () => {
  await fc.assert(
    fc.asyncProperty(visitors, steps, async (chosen, script) => {
      const { server, processes } = scriptedServer();
      const all = chosen.map((visitor, index) => new Running(server, { ...visitor, index }));
      const process = await started(processes);
      await received(process, all.length);
      for (const [mark, { does, visitor }] of script.entries()) {
        all.at(visitor % all.length)?.take(does, process, mark);
        if (does === "late") await nextTurn();
      }
      for (const [index, running] of all.entries()) running.take("answer", process, script.length + index);

      for (const { visitor, expected, texts } of all) {
        const messages = (await texts).map((text) => JSON.parse(text) as JsonObject);
        expect(messages.map(markOf)).toEqual(expected);
        for (const message of messages) expect(hasNamesOf(visitor, message)).toBe(true);
      }
      const cancels = process.messages.filter(({ method }) => method === "notifications/cancelled");
      expect(cancels).toHaveLength(all.filter(({ state }) => state === "left").length);
      await server.close();
    }),
    { numRuns: 300 },
  );
});

function markOf(message: JsonObject): unknown {
  const { result, error, params } = message as Record<string, JsonObject | undefined>;
  return result?.["mark"] ?? params?.["mark"] ?? (error?.["data"] as JsonObject | undefined)?.["mark"];
}

/** Whether each name in the message is the one that the visitor uses. */
function hasNamesOf({ id, token }: Visitor, message: JsonObject): boolean {
  const params = isObject(message["params"]) ? message["params"] : {};
  const holder = isObject(message["result"]) ? message["result"] : params;
  const meta = isObject(holder["_meta"]) ? holder["_meta"] : {};
  return (
    (!("id" in message) || message["id"] === id) &&
    (!("progressToken" in params) || params["progressToken"] === token) &&
    (!(subscriptionId in meta) || meta[subscriptionId] === id)
  );
}
