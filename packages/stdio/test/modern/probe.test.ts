import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { messagesOf, post, received, scriptedServer, started } from "./scripted-server.js";

beforeEach(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

const modern = { supportedVersions: ["2026-07-28"], capabilities: {} };

async function asked(options: Parameters<typeof scriptedServer>[0] = {}) {
  const scripted = scriptedServer({ era: "auto", ...options });
  const answer = scripted.server.probe();
  const process = await started(scripted.processes);
  return { ...scripted, answer, process };
}

describe("a server that is asked what it speaks", () => {
  it("gets server/discover as the SDK's client sends it, once", async () => {
    const { server, process, processes, answer } = await asked();
    expect(process.purpose).toBe("probe");
    expect(process.last).toMatchObject({
      jsonrpc: "2.0",
      method: "server/discover",
      params: {
        _meta: {
          "io.modelcontextprotocol/protocolVersion": "2026-07-28",
          "io.modelcontextprotocol/clientInfo": { name: "mcp-tunnel-stdio" },
          "io.modelcontextprotocol/clientCapabilities": {},
        },
      },
    });
    const shared = server.probe();
    process.answer(modern);
    expect(await Promise.all([answer, shared, server.probe()])).toEqual([true, true, true]);
    expect(processes).toHaveLength(1);
    expect(process.received).toHaveLength(1);
  });

  it("is modern if it answers with a result, and the process goes on to answer visitors", async () => {
    const { server, process, processes, answer, backoff } = await asked();
    process.answer({ ...modern, supportedVersions: ["2025-11-25", "2026-07-28"] });
    expect(await answer).toBe(true);
    const answering = server.post(...post("tools/list", { id: "v" }));
    await received(process, 2);
    process.answer({ tools: [] });
    expect(await messagesOf(await answering)).toEqual([{ jsonrpc: "2.0", id: "v", result: { tools: [] } }]);
    expect(processes).toHaveLength(1);
    expect(backoff.successes).toBeGreaterThan(0);
  });

  it("answers for no revision that it has not named", async () => {
    const { server, process, answer } = await asked();
    process.answer(modern);
    await answer;
    const later = { "io.modelcontextprotocol/protocolVersion": "2027-01-01" };
    const headers = { "mcp-protocol-version": "2027-01-01" };
    const response = await server.post(...post("tools/list", { meta: later, headers }));
    expect(response.status).toBe(400);
    expect(await messagesOf(response)).toMatchObject([
      { error: { code: -32_022, data: { supported: ["2026-07-28"], requested: "2027-01-01" } } },
    ]);
  });

  it("is modern if it refuses the revision and names a later one", async () => {
    const { process, answer } = await asked();
    process.refuse(-32_022, { supported: ["2027-01-01"] });
    expect(await answer).toBe(true);
    expect(process.isGone).toBe(false);
  });

  it.each([
    ["an error", { error: { code: -32_601, message: "Method not found" } }],
    [
      "an error about revisions, none of them modern",
      { error: { code: -32_022, message: "", data: { supported: ["2025-11-25"] } } },
    ],
    ["revisions of the past alone", { result: { supportedVersions: ["2025-11-25"] } }],
    ["a result that is none", { result: null }],
  ])("is legacy if it answers with %s, and the process ends", async (_what, answerOf) => {
    const { server, process, processes, answer, backoff } = await asked();
    process.say({ jsonrpc: "2.0", id: process.last["id"], ...answerOf });
    expect([await answer, await server.probe()]).toEqual([false, false]);
    await vi.waitFor(() => expect(process.isGone).toBe(true));
    expect(processes).toHaveLength(1);
    expect(backoff.failures).toBe(0);
  });

  it("is not said to be modern before it answers, and is when it answers late", async () => {
    const { server, process, processes, answer } = await asked({
      probeTimeoutMs: 5_000,
      startTimeoutMs: 60_000,
    });
    vi.advanceTimersByTime(5_000);
    expect([await answer, await server.probe()]).toEqual([false, false]);
    vi.advanceTimersByTime(50_000);
    process.answer(modern);
    await vi.waitFor(async () => expect(await server.probe()).toBe(true));
    expect(processes).toHaveLength(1);
  });

  it("is legacy if it says nothing for startTimeoutMs, and answers initialize then", async () => {
    const { server, process, processes, answer } = await asked({
      probeTimeoutMs: 5_000,
      startTimeoutMs: 60_000,
    });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await answer).toBe(false);
    expect(process.last).toMatchObject({ method: "initialize" });
    process.answer({ result: { protocolVersion: "2025-11-25", capabilities: {} } });
    await vi.waitFor(() => expect(process.isGone).toBe(true));
    expect(await server.probe()).toBe(false);
    expect(processes).toHaveLength(1);
  });

  it("is not known if it says nothing to initialize either, and is asked again after a pause", async () => {
    const { server, process, processes, answer, backoff } = await asked({
      probeTimeoutMs: 5_000,
      startTimeoutMs: 60_000,
    });
    await vi.advanceTimersByTimeAsync(65_000);
    expect(await answer).toBe(false);
    await vi.waitFor(() => expect(process.isGone).toBe(true));
    expect(backoff.failures).toBe(1);
    expect(await server.probe()).toBe(false);
    expect(processes).toHaveLength(1);
    backoff.waitMs = 0;
    void server.probe();
    expect(processes).toHaveLength(2);
    await server.close();
  });

  it.each(["not_found", "not_started", "message_too_long"] as const)(
    "is asked again after a pause if it ended as %s",
    async (code) => {
      const { server, process, processes, answer, backoff } = await asked();
      process.exit(code);
      expect(await answer).toBe(false);
      expect(backoff.failures).toBe(1);
      expect(await server.probe()).toBe(false);
      expect(processes).toHaveLength(1);
      backoff.waitMs = 0;
      const again = server.probe();
      (await started(processes, 2)).answer(modern);
      expect(await again).toBe(true);
    },
  );

  it("is legacy if it exits at the question and answers initialize", async () => {
    const { server, process, processes, answer, backoff } = await asked();
    process.exit();
    const second = await started(processes, 2);
    expect(second.purpose).toBe("probe");
    expect(second.last).toMatchObject({ method: "initialize", params: { protocolVersion: "2025-11-25" } });
    second.answer({ protocolVersion: "2025-11-25" });
    expect([await answer, await server.probe()]).toEqual([false, false]);
    await vi.waitFor(() => expect(second.isGone).toBe(true));
    expect(processes).toHaveLength(2);
    expect(backoff.failures).toBe(0);
  });

  it("is asked again after a pause if it exits at either question", async () => {
    const { server, process, processes, answer, backoff } = await asked();
    process.exit();
    (await started(processes, 2)).exit();
    expect(await answer).toBe(false);
    expect(backoff.failures).toBe(1);
    backoff.waitMs = 0;
    const again = server.probe();
    (await started(processes, 3)).answer(modern);
    expect(await again).toBe(true);
  });

  it("is told nothing more when the server is closed", async () => {
    const { server, process, answer, backoff } = await asked();
    await server.close();
    expect(await answer).toBe(false);
    expect(process.isGone).toBe(true);
    expect(backoff.failures).toBe(0);
    expect(await server.probe()).toBe(false);
  });
});

describe("a server whose era is named", () => {
  it.each([
    ["legacy", false],
    ["modern", true],
  ] as const)("is not asked: %s", async (era, isModern) => {
    const { server, processes } = scriptedServer({ era });
    expect(await server.probe()).toBe(isModern);
    expect(processes).toEqual([]);
  });
});
