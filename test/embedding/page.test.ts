import { once } from "node:events";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { bytesAt } from "../support/bytes.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startRelayCommand } from "../support/commands.js";
import { createVisitor } from "../support/visitor.js";
import { type Program, programsIn, startProgram } from "./programs.js";

/**
 * Runs the programs of docs/embedding.md as they are written. The one for Next is in test/services, because
 * Next is not installed with this repository, and the one for Vite in vite-plugin.test.ts.
 */

const page = readFileSync(new URL("../../docs/embedding.md", import.meta.url), "utf8");

describe("the programs of docs/embedding.md", () => {
  const closing = closingAfterEach();
  let relay: Awaited<ReturnType<typeof startRelayCommand>>;
  beforeAll(async () => {
    // The visitors come from a proxy, as they do where a relay is behind one.
    relay = await startRelayCommand(["--trusted-proxy", "127.0.0.1"]);
  });
  afterAll(() => relay.close());

  const start = async (framework: string, index: number): Promise<Program> => {
    const code = programsIn(page, framework)[index] as string;
    return closing(await startProgram(code, relay.port, { TUNNEL_TOKEN: `${framework}-${index}` }));
  };

  /** The text that a visitor behind the proxy gets at `path` of the program. */
  async function read({ tunnel, url }: Program, path: string): Promise<string> {
    const visitor = closing(createVisitor(relay.port));
    const forwarded = { "x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https" };
    const headers = { host: new URL(url).host, ...forwarded };
    const { status, text } = await visitor.text(tunnel, path, { headers });
    expect(status).toBe(200);
    return text;
  }

  it.each([
    ["Express", 0],
    ["Fastify", 0],
    ["Hono", 0],
  ])("%s knows its public URL and who visits, and ends on a signal", async (framework, index) => {
    const program = await start(framework, index);
    const origin = program.url.replace("http:", "https:");
    expect(await read(program, "/?x=%20")).toBe(`203.0.113.9 asked ${origin}/?x=%20`);
    expect(await program.close()).toEqual({ code: 0, signal: null });
  });

  it.each([
    ["Express", 1, 1001],
    // The plugin of Fastify closes them without a code.
    ["Fastify", 0, 1005],
    ["Hono", 1, 1001],
  ])("%s has WebSockets, and closes them on a signal", async (framework, index, code) => {
    const program = await start(framework, index);
    expect(await read(program, "/")).not.toBe("");
    const headers = { host: new URL(program.url).host };
    const ws = new WebSocket(`ws://127.0.0.1:${relay.port}/echo`, { headers });
    closing({ close: () => ws.terminate() });
    await once(ws, "open");
    const sent = bytesAt(0, 300_000);
    ws.send(sent);
    expect(sent.equals((await once(ws, "message"))[0] as Buffer)).toBe(true);
    ws.send("a text");
    expect(String((await once(ws, "message"))[0])).toBe("a text");
    const closed = once(ws, "close");
    // It does not wait for half a minute until the open WebSocket is cut.
    expect(await program.close()).toEqual({ code: 0, signal: null });
    expect((await closed)[0]).toBe(code);
  });
});
