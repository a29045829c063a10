import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { once } from "node:events";
import { WebSocket } from "ws";
import { closingAfterEach } from "../support/cleanup.js";
import { startRelayCommand } from "../support/commands.js";
import { createVisitor } from "../support/visitor.js";
import { programsIn, startProgram } from "./programs.js";

/**
 * Runs the examples of packages/client/README.md about servers and handlers of a program, as they are
 * written.
 */

const page = readFileSync(new URL("../../packages/client/README.md", import.meta.url), "utf8");
const examples = [
  ...programsIn(page, "Servers and handlers of your own program"),
  ...programsIn(page, "Services"),
];

describe("the examples of the client's page", () => {
  const closing = closingAfterEach();
  let relay: Awaited<ReturnType<typeof startRelayCommand>>;
  beforeAll(async () => {
    relay = await startRelayCommand();
  });
  afterAll(() => relay.close());

  /** Runs an example; returns the name of its tunnel, and a visitor. */
  async function run(code: string) {
    const program = closing(await startProgram(code, relay.port));
    const { url, tunnel: name } = program;
    const visitor = closing(createVisitor(relay.port));
    const headers = { host: new URL(url).host };
    return { program, url, name, text: (path: string) => visitor.text(name, path, { headers }) };
  }

  it("are these", () => {
    const what = [/handler: app/, /\{ server,/, /\{ fetch,/, /createService/, /observeExchange/];
    expect(examples.length).toBe(what.length);
    for (const [i, pattern] of what.entries()) expect(examples[i]).toMatch(pattern);
  });

  it("serve an Express application", async () => {
    const { url, text } = await run(examples[0] as string);
    expect((await text("/x?y")).status).toBe(404);
    expect(await text("/")).toEqual({ status: 200, text: `You asked ${new URL(url).origin}/` });
  });

  it("serve a server with WebSockets", async () => {
    const { name, text } = await run(examples[1] as string);
    expect(await text("/")).toEqual({ status: 200, text: "Open a WebSocket" });
    const headers = { host: `${name}.localhost` };
    const ws = new WebSocket(`ws://127.0.0.1:${relay.port}/`, { headers });
    closing({ close: () => ws.terminate() });
    expect(String((await once(ws, "message"))[0])).toBe("hello");
  });

  it("serve a handler in the web's form", async () => {
    const { url, text } = await run(examples[2] as string);
    expect(await text("/x?y")).toEqual({ status: 200, text: `You asked ${new URL(url).origin}/x?y` });
  });

  it("put a gate around a service", async () => {
    const { text } = await run(examples[3] as string);
    expect(await text("/open")).toEqual({ status: 200, text: "secret" });
    expect(await text("/closed")).toEqual({ status: 403, text: "no" });
  });

  it("watch what passes", async () => {
    const { program, text } = await run(examples[4] as string);
    expect((await text("/seen")).text).toBe("hello");
    await program.waitFor("the last line", () => program.stdout.find((line) => line.endsWith(" done")));
    expect(program.stdout.slice(1, 3)).toEqual(["1 GET /seen 200", "1 5 bytes"]);
  });
});
