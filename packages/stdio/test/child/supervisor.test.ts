import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, expect, it, onTestFinished } from "vitest";
import { serverEnded, supervisorArguments } from "../../src/child/supervisor.js";
import { makeFifo, temporaryFolder } from "./open-server.js";
import { onWindows } from "../../../../test/support/systems.js";

/** Debian's sh is dash, macOS's is bash, Alpine's is busybox. Each behaves otherwise under the name `sh`. */
const shells = ["dash", "bash", "busybox"]
  .map((name) => ["/bin", "/usr/bin"].map((folder) => join(folder, name)).find((path) => existsSync(path)))
  .filter((path) => path !== undefined);
// Vitest wants a test in each file, also one that is skipped.
if (onWindows) shells.push("sh");

interface Supervised {
  readonly child: ChildProcess;
  readonly control: Writable;
  readonly stdout: Promise<string>;
  readonly exit: Promise<[number | null, string | null]>;
}

describe.skipIf(onWindows).each(shells)("the supervisor in %s", (path) => {
  function start(
    program: string,
    args: readonly string[],
    environment: Record<string, string> = {},
    killGraceMs = 0,
  ): Supervised {
    const shell = join(temporaryFolder(), "sh");
    symlinkSync(path, shell);
    const env = { PATH: process.env["PATH"] ?? "", ...environment };
    const child = spawn(shell, supervisorArguments(shell, program, args, env, killGraceMs), {
      detached: true,
      env,
      stdio: ["pipe", "pipe", "ignore", "pipe"],
    });
    const control = child.stdio[3] as Writable;
    onTestFinished(() => void control.destroy());
    const exit = once(child, "exit") as Promise<[number | null, string | null]>;
    return { child, control, stdout: text(child.stdout!), exit };
  }

  it("becomes the server, with its number, its status and its group", async () => {
    const { child, stdout, exit } = start("/bin/sh", ["-c", "echo $$ $(ps -o pgid= -p $$); exit 7"]);
    expect(await exit).toEqual([7, null]);
    expect((await stdout).split(/\s+/)).toEqual([String(child.pid), String(child.pid), ""]);
  });

  it.skipIf(process.platform !== "linux")(
    "leaves the server all signals, and not its way to the owner",
    async () => {
      const { stdout } = start("/bin/sh", [
        "-c",
        "grep -E '^Sig(Blk|Ign)' /proc/self/status; test -e /proc/$$/fd/3 || echo none",
      ]);
      expect(await stdout).toBe("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nnone\n");
    },
  );

  it("passes on arguments and variables, whatever is in them", async () => {
    const args = ["-n", "", "a b", "$HOME `id` $(id)", "\"'\\", "line\nline", "--", "*", "é😀"];
    const environment = { PLAIN: "a\nb", "npm_config_//host/:_authToken": "$x 'y'", "-odd": "=" };
    const script = "process.stdout.write(JSON.stringify([process.argv.slice(1), process.env]))";
    const { stdout } = start(process.execPath, ["-e", script, "--", ...args], environment);
    const [passed, variables] = JSON.parse(await stdout) as [string[], Record<string, string>];
    expect(passed).toEqual(args);
    expect(variables).toMatchObject(environment);
  });

  it("ends the group when its owner is gone, what ignores SIGTERM as well", async () => {
    const fifo = makeFifo();
    const { control, exit } = start(
      "/bin/sh",
      [
        "-c",
        `exec 9>"$FIFO"
        (trap '' TERM; echo >&9; exec sleep 1000 </dev/null >/dev/null 2>&1) &
        echo >&9; exec sleep 1000`,
      ],
      { FIFO: fifo.path },
    );
    await fifo.lines(2);
    control.destroy();
    expect(await exit).toEqual([null, "SIGTERM"]);
    await fifo.gone;
  });

  it("waits the grace, in whole seconds, before it kills", async () => {
    const fifo = makeFifo();
    const { control, exit } = start(
      "/bin/sh",
      [
        "-c",
        `exec 9>"$FIFO"
        (trap '' TERM; echo >&9; exec sleep 1000) &
        trap 'echo done >&9; exit 3' TERM; echo >&9; while :; do sleep 0.05; done`,
      ],
      { FIFO: fifo.path },
      1_001,
    );
    await fifo.lines(2);
    const startMs = performance.now();
    control.destroy();
    expect(await exit).toEqual([3, null]);
    await fifo.gone;
    expect(fifo.text()).toBe("\n\ndone\n");
    // Clocks may differ by a little.
    expect(performance.now() - startMs).toBeGreaterThan(1_900);
  });

  it("ends what a server has left behind", async () => {
    const fifo = makeFifo();
    const { control, exit } = start(
      "/bin/sh",
      ["-c", `exec 9>"$FIFO"; (trap '' TERM; echo >&9; exec sleep 1000 </dev/null >/dev/null 2>&1) & exit 0`],
      { FIFO: fifo.path },
      1_000_000,
    );
    await exit;
    await fifo.lines(1);
    control.end(serverEnded);
    await fifo.gone;
  });

  it("ends with its server", async () => {
    const { control, exit } = start("/bin/sh", ["-c", "exit 0"], {}, 1_000_000);
    await exit;
    control.end(serverEnded);
    await once((control as unknown as NodeJS.ReadableStream).resume(), "close");
  });

  it("ends at once when the owner was gone before it began", async () => {
    const { control, exit } = start("/bin/sh", ["-c", "exec sleep 1000"]);
    control.destroy();
    expect((await exit)[1]).toMatch(/^SIG(TERM|KILL)$/);
  });
});
