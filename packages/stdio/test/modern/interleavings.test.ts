import { setImmediate as nextTurn } from "node:timers/promises";
import fc from "fast-check";
import { expect, it } from "vitest";
import { isObject, type JsonObject } from "../../src/message.js";
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

/** One run: visitors who use the same names, and a server that works for all of them at once. */
class Run {
  readonly #process: ScriptedProcess;
  readonly #numbers: readonly unknown[];
  readonly #leaving: readonly AbortController[];
  /** The marks of the messages that each visitor has to get, in their order. */
  readonly expected: number[][];
  readonly #isOver: boolean[];
  readonly hasLeft: boolean[];
  #mark = 0;

  constructor(process: ScriptedProcess, visitors: readonly Visitor[], leaving: readonly AbortController[]) {
    this.#process = process;
    this.#leaving = leaving;
    // Each request carries the index of its visitor, so that the server's numbers can be told apart.
    const requests = process.messages as { id: unknown; params: { index: number } }[];
    this.#numbers = visitors.map(({ index }) => requests.find(({ params }) => params.index === index)!.id);
    this.expected = visitors.map(() => []);
    this.#isOver = visitors.map(() => false);
    this.hasLeft = visitors.map(() => false);
  }

  take({ does, visitor: index }: Step, { kind }: Visitor): void {
    const isOver = this.#isOver[index]!;
    // A server says nothing of a request that it has answered. Of one that was cancelled it may.
    if (isOver && !(does === "late" && this.hasLeft[index])) return;
    if (does === "leave") {
      this.#leaving[index]!.abort();
      this.#isOver[index] = this.hasLeft[index] = true;
      return;
    }
    const mark = this.#mark++;
    if (!isOver) this.expected[index]!.push(mark);
    this.#process.say(this.#message(does, kind, this.#numbers[index], mark));
    if (does === "answer" || does === "refuse") this.#isOver[index] = true;
  }

  /** Answers all that is still open. */
  finish(visitors: readonly Visitor[]): void {
    for (const visitor of visitors) this.take({ does: "answer", visitor: visitor.index }, visitor);
  }

  #message(does: Step["does"], kind: Visitor["kind"], number: unknown, mark: number): JsonObject {
    if (does === "refuse")
      return { jsonrpc: "2.0", id: number, error: { code: -1, message: "No", data: { mark } } };
    const stamp = kind === "listen" ? { [subscriptionId]: number } : {};
    if (does === "answer") return { jsonrpc: "2.0", id: number, result: { mark, _meta: stamp } };
    if (does === "event" && kind === "listen")
      return { jsonrpc: "2.0", method: "notifications/tools/list_changed", params: { mark, _meta: stamp } };
    return { jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: number, mark } };
  }
}

it("every message reaches the visitor whom it is for, under that visitor's names, and nobody else", async () => {
  await fc.assert(
    fc.asyncProperty(visitors, steps, async (chosen, script) => {
      const all: Visitor[] = chosen.map((visitor, index) => ({ ...visitor, index }));
      const { server, processes } = scriptedServer();
      const leaving = all.map(() => new AbortController());
      const bodies = all.map(async ({ index, id, token, kind }) => {
        const method = kind === "call" ? "custom/call" : "subscriptions/listen";
        const { signal } = leaving[index]!;
        const response = await server.post(
          ...post(method, { id, params: { index }, meta: { progressToken: token }, signal }),
        );
        return response.status === 499 ? [] : textsOf(response);
      });
      const process = await started(processes);
      await received(process, all.length);
      const run = new Run(process, all, leaving);
      for (const step of script) {
        const visitor = all[step.visitor % all.length]!;
        run.take({ ...step, visitor: visitor.index }, visitor);
        if (step.does === "late") await nextTurn();
      }
      run.finish(all);

      for (const [index, texts] of (await Promise.all(bodies)).entries()) {
        const { id, token } = all[index]!;
        const messages = texts.map((text) => JSON.parse(text) as JsonObject);
        expect(messages.map(markOf)).toEqual(run.expected[index]);
        for (const message of messages)
          for (const name of namesIn(message, id, token)) expect(name).toBe(true);
      }
      const cancels = process.messages.filter(({ method }) => method === "notifications/cancelled");
      expect(cancels).toHaveLength(run.hasLeft.filter(Boolean).length);
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
function namesIn(message: JsonObject, id: string | number, token: string | number): boolean[] {
  const params = isObject(message["params"]) ? message["params"] : {};
  const holder = isObject(message["result"]) ? message["result"] : params;
  const meta = isObject(holder["_meta"]) ? holder["_meta"] : {};
  return [
    ...("id" in message ? [message["id"] === id] : []),
    ...("progressToken" in params ? [params["progressToken"] === token] : []),
    ...(subscriptionId in meta ? [meta[subscriptionId] === id] : []),
  ];
}
