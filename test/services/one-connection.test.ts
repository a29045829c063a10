import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { RunningCommand, startClientCommand, startRelayCommand } from "../support/commands.js";
import { missingProgram } from "../support/requires.js";
import { createVisitor } from "../support/visitor.js";

/**
 * The longest time between two answers, in milliseconds. It should be half a second, but the machine may be
 * busy. A connection that nobody waits for may be idle for 4 s.
 */
const longestPauseMs = 2_000;

describe.skipIf(missingProgram("python3"))("a service that serves one connection at a time", () => {
  const closing = closingAfterEach();

  it("answers a browser that loads six files at once, and then a form", { timeout: 60_000 }, async () => {
    // `-B`: Python leaves no files in the tree.
    const script = fileURLToPath(new URL("one_connection.py", import.meta.url));
    const service = closing(new RunningCommand("python3", ["-B", script]));
    const port = Number(await service.waitFor("its port", () => service.stdout[0]));
    const relay = closing(await startRelayCommand());
    closing(await startClientCommand(port, relay.port, ["--subdomain", "one"]));
    const visitor = closing(createVisitor(relay.port));

    const answers: string[] = [];
    const pausesMs: number[] = [];
    let before = performance.now();
    const visit = async (path: string, options = {}): Promise<void> => {
      const { text } = await visitor.text("one", path, options);
      const now = performance.now();
      answers.push(text);
      pausesMs.push(now - before);
      before = now;
    };
    const files = ["/1", "/2", "/3", "/4", "/5", "/6"];
    await Promise.all(files.map((file) => visit(file)));
    await visit("/", { method: "POST", body: "a form" });
    expect(answers.slice(0, 6).sort()).toEqual(files);
    expect(answers[6]).toBe("a form");
    expect(Math.max(...pausesMs)).toBeLessThan(longestPauseMs);
  });
});
