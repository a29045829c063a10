import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { createInspector } from "../src/index.js";
import type { SessionDetail } from "../src/model.js";
import { jsonAnswer, lend, report, requestHead, responseHead, someTunnel } from "./support/exchange.js";
import { clientInfo, initialize, initialized, request, result, text, toolCall } from "./support/mcp-rig.js";

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "inspector-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

it.each([
  [{ maxExchanges: 0 }, "maxExchanges"],
  [{ maxExchanges: 1.5 }, "maxExchanges"],
  [{ maxBytes: Number.NaN }, "maxBytes"],
  [{ serviceName: 3 }, "serviceName"],
  [{ maxEntries: 3 }, "maxEntries"],
])("refuses %j", (options, name) => {
  const create = (): unknown => createInspector(options as object);
  expect(create).toThrow(expect.objectContaining({ code: "invalid_option", options: [name] }));
});

it("refuses places and bounds that there cannot be", async () => {
  const inspector = createInspector();
  await expect(inspector.listen({ port: 65_536 })).rejects.toMatchObject({ code: "invalid_option" });
  await expect(inspector.listen({ host: "192.0.2.1" })).rejects.toMatchObject({ code: "invalid_option" });
  const path = folder();
  await expect(inspector.record(join(path, "a.har"), { maxBytes: -1 })).rejects.toMatchObject({
    code: "invalid_option",
  });
  expect(readdirSync(path)).toEqual([]);
});

it("leaves nothing open that was being opened when it was closed", async () => {
  const inspector = createInspector();
  const listening = inspector.listen();
  const recording = inspector.record(join(folder(), "a.har"));
  const closed = expect.objectContaining({ code: "invalid_state" });
  const refused = [expect(listening).rejects.toEqual(closed), expect(recording).rejects.toEqual(closed)];
  await inspector.close();
  await Promise.all(refused);
});

it("has a page at each address at which it listens", async () => {
  const inspector = createInspector();
  const [one, other] = [await inspector.listen(), await inspector.listen()];
  expect(one.port).not.toBe(other.port);
  expect(one.secret).not.toBe(other.secret);
  await inspector.close();
  for (const { port } of [one, other]) {
    const error = await new Promise((resolve) => connect(port, "127.0.0.1").on("error", resolve));
    expect(error).toMatchObject({ code: "ECONNREFUSED" });
  }
});

// 3,000 calls that nobody has looked at. The ring keeps 2,000 exchanges, so those that have opened the
// session and told its tools have left it.
it("knows sessions and calls once somebody looks", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => void vi.useRealTimers());
  const inspector = createInspector();
  const tunnel = someTunnel();
  let streamId = 0;
  const exchange = (message: object, answer: object, session = ["Mcp-Session-Id", "an id"]): void => {
    // A thousand in a second are captured.
    vi.advanceTimersByTime(2);
    const headers = ["Content-Type", "application/json", ...session];
    const head = requestHead({ method: "POST", path: "/mcp", headers });
    const observer = inspector.observe({
      ...{ id: ++streamId, streamId, tunnel, head },
      startedAtMs: performance.now(),
    });
    lend((chunk) => observer?.onRequestData?.(chunk), JSON.stringify(message));
    observer?.onRequestEnd?.([]);
    observer?.onHead?.(responseHead(200, ...jsonAnswer.headers, "Mcp-Session-Id", "an id"), false);
    lend((chunk) => observer?.onData?.(chunk), JSON.stringify(answer));
    observer?.onEnd?.([]);
    observer?.onOver?.(report({ method: "POST", path: "/mcp" }));
  };
  exchange(initialize(), initialized(), []);
  exchange(
    request(1, "tools/list"),
    result(1, { tools: [{ name: "add", inputSchema: { type: "object" } }] }),
  );
  for (let id = 2; id < 3_000; id++) exchange(toolCall(id, "add"), result(id, text("3")));
  vi.useRealTimers();

  const page = await inspector.listen();
  const ask = async (path: string): Promise<unknown> => {
    const headers = { Authorization: `Bearer ${page.secret}` };
    const answer = await fetch(`http://127.0.0.1:${page.port}/api/${path}`, { headers });
    return answer.json();
  };
  const { sessions } = (await ask("sessions")) as { sessions: { key: string }[] };
  expect(sessions).toMatchObject([{ id: "an id", client: clientInfo, calls: 2_000, open: 0, errors: 0 }]);
  const { calls, tools } = (await ask(`sessions/${sessions[0]?.key}`)) as SessionDetail;
  expect(tools).toMatchObject([{ name: "add" }]);
  expect(calls).toHaveLength(2_000);
  expect(calls.every(({ name, outcome }) => name === "add" && outcome === "ok")).toBe(true);
  expect(await ask("exchanges?tool=add&limit=5")).toMatchObject({ exchanges: { length: 5 } });
  await inspector.close();
});
