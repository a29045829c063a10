import { createService } from "mcp-tunnel-client";
import { createGate } from "mcp-tunnel-gate";
import { gated } from "mcp-tunnel-gate/service";
import { headerValue } from "mcp-tunnel-protocol";
import { expect, it } from "vitest";
import { Recorder } from "../../packages/inspector/src/capture/recorder.js";
import type { Captured } from "../../packages/inspector/src/captured.js";
import { Replayer } from "../../packages/inspector/src/replay/replayer.js";
import { noMcp } from "../../packages/inspector/test/support/replay-rig.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startInProcess } from "../support/in-process.js";

const closing = closingAfterEach();

// The attack: the key that a visitor shows to the gate would let a service visit in his name. The gate takes
// it out of each request, and no replay may bring it back.
it("a replay goes past the gate, and no visitor's key comes with it", async () => {
  const seen: { key: string | undefined; user: unknown }[] = [];
  const recorder = new Recorder({ maxBytes: 1_000_000, maxExchanges: 100 }, []);
  const replayer = new Replayer(recorder, noMcp, { look: () => () => {}, secretOf: () => undefined });
  const inner = createService({
    handler: (req, res) => {
      seen.push({ key: req.headers.authorization, user: req.headers["x-tunnel-user"] });
      res.end("secret page");
    },
  });
  const key = "a-key-of-more-than-32-characters-0123456789";
  const gate = await createGate({ bearer: { keys: [{ name: "ada", key }] } });
  const service = gated(replayer.wrap(inner), gate);
  const tunnel = closing(await startInProcess({ client: { service, observeExchange: recorder.observe } }));
  const visit = async (given: string): Promise<Captured> => {
    const answer = await tunnel.visit("/", { headers: { authorization: `Bearer ${given}` } });
    await answer.body.dump();
    return Array.from(recorder.ring.entries()).at(-1) as Captured;
  };

  const refused = await visit("wrong-key");
  expect(refused.response?.status).toBe(401);
  expect(replayer.whyNot(refused)).toMatch(/never got it/);
  await expect(replayer.replay(refused, {})).rejects.toMatchObject({ status: 409, code: "cannot_replay" });

  const original = await visit(key);
  expect(headerValue(original.head.headers, "authorization")).toBe(`Bearer ${key}`);
  for (const edit of [{}, { headers: [["Authorization", `Bearer ${key}`] as const] }]) {
    const { id } = await replayer.replay(original, { edit });
    while (recorder.ring.find(id)?.over === undefined) await new Promise((resolve) => setImmediate(resolve));
    expect(recorder.ring.find(id)?.response?.status).toBe(200);
  }
  expect(seen).toEqual(Array.from({ length: 3 }, () => ({ key: undefined, user: "ada" })));
});
