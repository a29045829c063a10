import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { makeFifo, openShell, processesWith, TestProcesses } from "./open-server.js";
import { expectNoLeaks } from "../../../../test/support/leaks.js";
import { onWindows } from "../../../../test/support/systems.js";

const message = '{"jsonrpc":"2.0","method":"ready"}';
/** A grandchild that ignores SIGTERM and holds none of the server's own streams. */
const stubborn = `(trap '' TERM; echo up >&9; exec sleep 1000 </dev/null >/dev/null 2>&1) &`;

afterEach(() => void vi.useRealTimers());

describe.skipIf(onWindows)("the end of a server", () => {
  it("comes with the end of its stdin", async () => {
    const server = openShell(`cat; exit 5`);
    await server.pipe.end();
    expect(await server.end).toEqual({
      code: "ended",
      message: `'sh -c "cat; exit 5"' has ended with status 5, because it is not needed any more`,
    });
    expect(server.test.events.map(({ type }) => type)).toEqual(["started", "ended"]);
  });

  it("comes with SIGTERM to its group if it does not read", async () => {
    const server = openShell(`echo '${message}'; sleep 1000 & wait`, { exitGraceMs: 1 });
    await server.test.until(() => server.messages.length === 1);
    await server.pipe.end();
    expect((await server.end).message).toContain("was ended by SIGTERM, because it is not needed any more");
  });

  it("comes with SIGKILL to its group if it does not listen", async () => {
    const fifo = makeFifo();
    const server = openShell(
      `exec 9>"$FIFO"; ${stubborn} trap '' TERM; echo '${message}'; while :; do sleep 1; done`,
      {
        env: { FIFO: fifo.path },
        exitGraceMs: 1,
        killGraceMs: 1,
      },
    );
    await server.test.until(() => server.messages.length === 1);
    await fifo.lines(1);
    await server.pipe.end();
    expect((await server.end).message).toContain("was ended by SIGKILL");
    await fifo.gone;
  });

  it("is waited for, while nothing that it says is passed on", async () => {
    const server = openShell(`cat >/dev/null; echo '${message}'`);
    await server.pipe.end();
    expect(server.messages).toEqual([]);
    expect(server.pipe.send("{}")).toBe(true);
    await server.pipe.end();
  });

  it("is that of its group: what it leaves behind ends", async () => {
    const fifo = makeFifo();
    const server = openShell(`exec 9>"$FIFO"; ${stubborn} read line`, { env: { FIFO: fifo.path } });
    await fifo.lines(1);
    server.pipe.send("");
    expect((await server.end).code).toBe("exited");
    await fifo.gone;
  });

  it("is not put off for ever by a watcher that the server has stopped", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const server = openShell(
      `for p in $(ps -A -o pid= -o pgid= | awk -v g=$$ '$2 == g && $1 != g { print $1 }'); do
        kill -STOP $p 2>/dev/null && echo $p
      done; read line`,
    );
    await server.test.until(() => server.test.lines("stray").length > 0);
    const stopped = server.test.lines("stray").map(Number);
    onTestFinished(() => stopped.forEach((pid) => process.kill(pid, "SIGKILL")));
    server.pipe.send("");
    await server.end;
    const closed = server.test.processes.close();
    await vi.advanceTimersByTimeAsync(9_999);
    expect(server.test.processes.size).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    await closed;
    expect(server.test.processes.size).toBe(0);
  });

  it("is not put off by a grandchild that holds its streams", async () => {
    const server = openShell(`(trap '' TERM; echo '${message}'; exec sleep 1000) & read line`);
    await server.test.until(() => server.messages.length === 1);
    server.pipe.send("");
    expect((await server.end).code).toBe("exited");
    await server.test.processes.close();
  });

  it.skipIf(process.platform !== "linux")("does not reach what has made a session of its own", async () => {
    const fifo = makeFifo();
    const server = openShell(
      `exec 9>"$FIFO"; setsid sh -c 'echo $$ >&9; exec sleep 1000 </dev/null >/dev/null 2>&1' & cat`,
      { env: { FIFO: fifo.path } },
    );
    await fifo.lines(1);
    await server.test.processes.close();
    const pid = Number(fifo.text());
    expect(process.kill(pid, 0)).toBe(true);
    process.kill(pid, "SIGKILL");
    await fifo.gone;
  });

  it("is that of all when they are closed, and none can be started any more", async () => {
    const test = new TestProcesses({ command: "cat" });
    const servers = [test.open(), test.open(), test.open(test.processes.open("probe"))];
    expect(test.processes.size).toBe(3);
    expect(test.events.map((event) => event.process)).toEqual([1, 2, 3]);
    await test.processes.close();
    expect(test.processes.size).toBe(0);
    for (const server of servers) expect((await server.end).code).toBe("ended");
    const late = test.open();
    expect(late.pipe.send("{}")).toBe(true);
    expect(await late.end).toEqual({ code: "ended", message: "No process is started any more." });
    expect(test.events).toHaveLength(6);
  });
});

describe.skipIf(onWindows)("an owner that is killed", () => {
  it("takes its servers and all that they have started with it", async () => {
    const fifo = makeFifo();
    const url = (file: string): string => new URL(`../../dist/${file}`, import.meta.url).href;
    const script = `exec 9>"$FIFO"; ${stubborn} trap '' TERM; echo up >&9; while :; do sleep 1; done`;
    const owner = spawn(
      process.execPath,
      [
        "--input-type=module",
        "-e",
        `const { Processes } = await import("${url("child/processes.js")}");
        const { resolveOptions } = await import("${url("options.js")}");
        const processes = new Processes(resolveOptions({
          command: "sh", args: ["-c", process.env.SCRIPT], killGraceMs: 1,
        }));
        for (let i = 0; i < 3; i++) processes.open("session")({ onMessage() {}, onDrain() {}, onEnd() {} });`,
      ],
      { env: { ...process.env, FIFO: fifo.path, SCRIPT: script }, stdio: "inherit" },
    );
    onTestFinished(() => void owner.kill("SIGKILL"));
    await fifo.lines(6);
    owner.kill("SIGKILL");
    await fifo.gone;
  });
});

describe.skipIf(onWindows)("many starts and ends", () => {
  it.skipIf(process.platform !== "linux")(
    "leave no process, no file and no timer",
    async () => {
      const openFiles = (): number => readdirSync("/proc/self/fd").length;
      const filesBefore = openFiles();
      const mark = `MARK_${process.pid}_${Date.now()}`;
      await expectNoLeaks(async () => {
        for (let round = 0; round < 10; round++) {
          const test = new TestProcesses({
            command: "sh",
            args: ["-c", 'echo "$$" >&2; exec cat'],
            env: { MARK: mark },
          });
          const servers = Array.from({ length: 20 }, () => test.open());
          await test.until(() => test.lines("stderr").length === servers.length);
          expect(processesWith(mark).length).toBeGreaterThanOrEqual(2 * servers.length);
          for (const [index, line] of test.lines("stderr").entries()) {
            // Every other one ends by itself.
            if (index % 2 === 0) process.kill(Number(line), "SIGKILL");
          }
          await test.processes.close();
          await Promise.all(servers.map((server) => server.end));
        }
      });
      expect(processesWith(mark)).toEqual([]);
      // The runner of the tests may open a few of its own meanwhile.
      expect(openFiles()).toBeLessThan(filesBefore + 20);
    },
    60_000,
  );
});
