import { describe, expect, it } from "vitest";
import { runtimeFault } from "mcp-tunnel-shared/command";
import { closingAfterEach } from "../support/cleanup.js";
import { commands, RunningCommand } from "../support/commands.js";

// The fault: on Bun the client went round in a loop that only SIGKILL ended, and an old Node failed somewhere
// in its modules.

const closing = closingAfterEach();

describe("a runtime that is not Node.js 20.19 or newer", () => {
  it.each([
    [
      "mcp-tunnel-client",
      commands.client,
      { bun: "1.3.1" },
      "Bun 1.3.1: start it with node or npx, not with bun",
    ],
    ["mcp-tunnel", commands.relay, { deno: "2.5.0" }, "Deno 2.5.0: start it with node or npx, not with deno"],
    [
      "mcp-tunnel-stdio",
      commands.stdio,
      { node: "20.18.3" },
      "Node.js 20.18.3: https://nodejs.org has newer ones",
    ],
  ])("is told in one line by %s", async (name, file, versions, end) => {
    const stub = `Object.defineProperty(process, "versions", { value: { ...process.versions, ...${JSON.stringify(versions)} } })`;
    const preload = `data:text/javascript,${encodeURIComponent(stub)}`;
    const command = closing(new RunningCommand(process.execPath, ["--import", preload, file, "--help"]));
    expect(await command.exited).toEqual({ code: 1, signal: null });
    expect(command.output).toBe(`error: ${name} needs Node.js 20.19 or newer, and this is ${end}`);
  });

  it.each([
    ["20.19.0", true],
    ["20.20.0", true],
    ["22.0.0", true],
    ["100.0.0-nightly", true],
    ["20.9.0", false],
    ["18.20.8", false],
    ["", false],
  ])("is Node %s: %s is right", (node, isRight) => {
    expect(runtimeFault("mcp-tunnel", { node }) === undefined).toBe(isRight);
  });
});
