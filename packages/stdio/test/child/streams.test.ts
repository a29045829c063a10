import { createWriteStream } from "node:fs";
import { once } from "node:events";
import { afterEach, describe, expect, it, vi } from "vitest";
import { makeFifo, openShell, temporaryFolder, TestProcesses } from "./open-server.js";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { onWindows } from "../../../../test/support/systems.js";

const notification = (n: number, padding = ""): string =>
  JSON.stringify({ jsonrpc: "2.0", method: "n", params: { n, padding } });

/** A server of Node, given by what it does. */
function openNode(code: string, options: { maxMessageBytes?: number } = {}) {
  return new TestProcesses({ command: process.execPath, args: ["-e", code], ...options }).open();
}

afterEach(() => void vi.useRealTimers());

describe.skipIf(onWindows)("what a server writes to stdout", () => {
  it("is its messages, with their own text; empty lines are nothing, and others are told to the person", async () => {
    const batch = `[${notification(2)}, ${notification(3)}]`;
    const server = openShell(
      `printf '%s\\r\\n\\n  \\nhello\\n%s\\n{"id":1}\\n%s' '${notification(1)}' '${batch}' '${notification(4)}'`,
    );
    await server.end;
    expect(server.messages).toEqual([1, 2, 3, 4].map((n) => notification(n)));
    expect(server.test.lines("stray")).toEqual(["hello", '{"id":1}']);
  });

  it("is told up to a bound", async () => {
    const server = openShell(
      `head -c 100000 /dev/zero | tr '\\0' x; echo; head -c 100000 /dev/zero | tr '\\0' x >&2`,
    );
    await server.end;
    expect(server.test.lines("stray").map((line) => line.length)).toEqual([8_196]);
    expect(server.test.lines("stderr").map((line) => line.length)).toEqual([8_196]);
    expect((await server.end).message.length).toBeLessThan(5_000);
  });

  it("is bounded: a longer line ends the server", async () => {
    const server = openNode(`process.stdout.write("x".repeat(1_001)); process.stdin.resume()`, {
      maxMessageBytes: 1_000,
    });
    const { code, message } = await server.end;
    expect(code).toBe("message_too_long");
    expect(message).toContain("because it wrote a line of more than 1000 bytes (maxMessageBytes)");
  });

  it("is bounded also if the server ends behind it", async () => {
    const server = openShell("head -c 1001 /dev/zero | tr '\\0' x", { maxMessageBytes: 1_000 });
    expect((await server.end).code).toBe("message_too_long");
  });

  it("tells a server that has ended with a shell's status from one that a shell could not start", async () => {
    const server = openShell(`echo '${notification(1)}'; exit 127`);
    expect((await server.end).code).toBe("exited");
    expect(server.messages).toEqual([notification(1)]);
    expect((await openShell("exit 127").end).code).toBe("not_started");
  });

  it("arrives if it was written just before the end, however long, and also in a pause", async () => {
    const padding = "x".repeat(1_000_000);
    const server = openShell(
      `printf '{"jsonrpc":"2.0","method":"n","params":{"n":1,"padding":"'; head -c 1000000 /dev/zero | tr '\\0' x; echo '"}}'`,
    );
    await server.end;
    expect(server.messages).toEqual([notification(1, padding)]);
    const paused = openShell(`read line; echo '${notification(2)}'`);
    paused.pipe.pause();
    paused.pipe.send("");
    await paused.end;
    expect(paused.messages).toEqual([notification(2)]);
  });

  it("waits in a pause", async () => {
    const count = 5_000;
    const server = openNode(
      `for (let n = 0; n < ${count}; n++) {
        process.stdout.write(JSON.stringify({ jsonrpc: "2.0", method: "n", params: { n, padding: "x".repeat(1000) } }) + "\\n");
      }`,
    );
    await server.test.until(() => server.messages.length > 0);
    server.pipe.pause();
    const echo = new TestProcesses({ command: "cat" }).open();
    for (let n = 1; n <= 50; n++) {
      echo.pipe.send(notification(n));
      await echo.test.until(() => echo.messages.length === n);
    }
    expect(server.messages.length).toBeLessThan(count / 2);
    server.pipe.resume();
    await server.end;
    expect(server.messages.map((text) => (JSON.parse(text) as { params: { n: number } }).params.n)).toEqual(
      Array.from({ length: count }, (_, n) => n),
    );
  });

  it("ends the server if it closes it", async () => {
    const server = openShell("exec >&-; exec cat");
    expect((await server.end).code).toBe("exited");
  });
});

describe.skipIf(onWindows)("what is sent to a server", () => {
  it("arrives line by line", async () => {
    const server = openShell("cat");
    const texts = Array.from({ length: 100 }, (_, n) => notification(n, "é😀"));
    for (const text of texts) server.pipe.send(text);
    await server.test.until(() => server.messages.length === texts.length);
    expect(server.messages).toEqual(texts);
  });

  it("waits while the server does not read, and the owner is told when it does", async () => {
    const gate = join(temporaryFolder(), "gate");
    execFileSync("mkfifo", [gate]);
    const server = openShell(`read line <"$GATE"; cat >/dev/null; exit`, { env: { GATE: gate } });
    // More than the buffers of any system hold.
    expect(server.pipe.send(notification(1, "x".repeat(4_000_000)))).toBe(false);
    const opened = createWriteStream(gate);
    await once(opened, "open");
    expect(server.drains).toBe(0);
    opened.end("\n");
    await server.test.until(() => server.drains === 1);
    // The server reads now: the system may take any of this at once.
    expect(server.pipe.send(notification(2))).toBe(true);
  });

  it("is bounded: a server that has answers to its own requests, and does not read them, is ended", async () => {
    const server = openShell("exec sleep 1000", { maxMessageBytes: 1_000, exitGraceMs: 0 });
    const answer = "x".repeat(1_000);
    // More than the bound and the buffers of any system hold.
    for (let n = 0; n < 4_000; n++) server.pipe.send(answer);
    const { code, message } = await server.end;
    expect(code).toBe("exited");
    expect(message).toContain("because it sends requests, and reads none of the answers");
  });

  it("is dropped when the server is gone or has closed its stdin, and does no harm", async () => {
    const fifo = makeFifo();
    const server = openShell(`exec <&-; exec 9>"$FIFO"; echo >&9; exec sleep 1000`, {
      env: { FIFO: fifo.path },
      exitGraceMs: 1,
    });
    await fifo.lines(1);
    for (let n = 0; n < 10; n++) server.pipe.send(notification(n));
    const { code, message } = await server.end;
    expect(code).toBe("exited");
    expect(message).toContain("was ended by SIGTERM, because it closed its stdin");
    expect(server.pipe.send("{}")).toBe(true);
  });
});

describe.skipIf(onWindows)("a server that says nothing", () => {
  it("is a reason to tell the person so, once, 10 s after the first message to it", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const silent = openShell("read line; read line; echo x >&2; cat");
    vi.advanceTimersByTime(20_000);
    expect(silent.test.events).toHaveLength(1);
    silent.pipe.send("");
    vi.advanceTimersByTime(9_999);
    expect(silent.test.events).toHaveLength(1);
    vi.advanceTimersByTime(1);
    expect(silent.test.events.at(-1)).toEqual({
      type: "notice",
      process: 1,
      message: `'sh -c "read line; read line; echo x >&2; cat"' has said nothing for 10 s; it is slow to start, or no MCP server on stdio`,
    });
    silent.pipe.send("");
    await silent.test.until(() => silent.test.lines("stderr").length === 1);
    vi.advanceTimersByTime(20_000);
    expect(silent.test.events.filter(({ type }) => type === "notice")).toHaveLength(1);
  });

  it("is none once it has written to stderr", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const server = openShell("read line; echo x >&2; cat");
    server.pipe.send("");
    await server.test.until(() => server.test.lines("stderr").length === 1);
    vi.advanceTimersByTime(20_000);
    expect(server.test.events.filter(({ type }) => type === "notice")).toEqual([]);
  });
});
