import { fileURLToPath } from "node:url";
import { createRelay, type RelayOptions } from "mcp-tunnel";
import { startTunnelClient, type TunnelClientOptions } from "mcp-tunnel-client";
import { describe, expect, it } from "vitest";
import { ByteChecker, bytesAt } from "./support/bytes.js";
import { closingAfterEach } from "./support/cleanup.js";
import { RunningCommand, startRelayCommand } from "./support/commands.js";
import { startInProcess } from "./support/in-process.js";
import { expectNoLeaks } from "./support/leaks.js";
import { startUpstream } from "./support/upstream.js";
import { createVisitor } from "./support/visitor.js";

describe("relay and client as libraries", () => {
  const closing = closingAfterEach();

  it("leave no socket, server or timer behind", async () => {
    await expectNoLeaks(async () => {
      const upstream = await startUpstream();
      const tunnel = await startInProcess({ upstreamPort: upstream.port });
      const answer = await tunnel.visit("/bytes/300000");
      const checker = new ByteChecker();
      for await (const chunk of answer.body) checker.update(chunk);
      expect(checker.length).toBe(300_000);
      await tunnel.close();
      await upstream.close();
    });
  });

  it("go on with a download whose link breaks", async () => {
    const upstream = closing(await startUpstream());
    const tunnel = closing(await startInProcess({ upstreamPort: upstream.port, faults: true }));
    tunnel.proxy?.cutAfter("up", 1_000_000);
    const answer = await tunnel.visit("/bytes/5000000");
    const checker = new ByteChecker();
    for await (const chunk of answer.body) checker.update(chunk);
    expect(checker.length).toBe(5_000_000);
    expect(tunnel.proxy?.accepted).toBe(2);
  });

  it("echo a body in both directions at the same time", async () => {
    const upstream = closing(await startUpstream());
    const tunnel = closing(await startInProcess({ upstreamPort: upstream.port }));
    const body = bytesAt(0, 3_000_000);
    const answer = await tunnel.visit("/echo", { method: "POST", body });
    expect(body.equals(await answer.body.bytes())).toBe(true);
  });
});

describe("what a program gives wrong", () => {
  const invalid = { name: "TunnelError", code: "invalid_option" };

  it.each<[string, unknown]>([
    ["no options", undefined],
    ["another name for the relay", { port: 3000, relay: "http://127.0.0.1:1" }],
    ["a token that is null", { port: 3000, relayUrl: "http://127.0.0.1:1", token: null, waitForRelay: true }],
  ])("rejects the client's start: %s", async (_what, options) => {
    await expect(startTunnelClient(options as TunnelClientOptions)).rejects.toMatchObject(invalid);
  });

  it.each<[string, unknown]>([
    ["no options", undefined],
    ["no domain", {}],
  ])("is thrown by the relay: %s", (_what, options) => {
    expect(() => createRelay(options as RelayOptions)).toThrow(expect.objectContaining(invalid));
  });
});

describe("examples/basic/library.mjs", () => {
  const closing = closingAfterEach();

  it("serves under a public URL, and ends on a signal", async () => {
    const relay = closing(await startRelayCommand());
    const file = fileURLToPath(new URL("../examples/basic/library.mjs", import.meta.url));
    const program = closing(new RunningCommand(process.execPath, [file, `http://127.0.0.1:${relay.port}`]));
    const url = await program.waitFor("URL", () => /http:\S+/.exec(program.stdout[0] ?? "")?.[0]);
    const name = new URL(url).hostname.split(".")[0] as string;

    const visitor = closing(createVisitor(relay.port));
    const answer = await visitor.text(name, "/hello");
    expect(answer).toEqual({ status: 200, text: "Hello from behind the tunnel. You asked for /hello.\n" });
    await program.waitFor("request line", () => program.stdout.find((line) => line === "GET /hello 200"));
    expect(await program.close()).toEqual({ code: 0, signal: null });
  });
});
