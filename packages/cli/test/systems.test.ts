import { describe, expect, it } from "vitest";
import { endSignals } from "mcp-tunnel-shared/command";
import { runUntilEnded } from "../src/commands/run.js";
import { distrustOnWindows } from "../src/config/find.js";
import { splitArguments } from "../src/options/mcp-options.js";
import type { CommandOutput } from "../src/output/output.js";
import { commandLines, shellWord } from "../src/render/shell.js";

// What differs by system, decided for each one wherever the test runs.

const asIn = (platform: NodeJS.Platform, text: string): string => shellWord(text, platform);

describe("a word that is pasted into a shell", () => {
  it.each([
    ["https://demo.relay.test/mcp", "https://demo.relay.test/mcp", "https://demo.relay.test/mcp"],
    ["https://x/%E6%BC%A2", "https://x/%E6%BC%A2", "https://x/%E6%BC%A2"],
    ["https://x/?a=b&c", "'https://x/?a=b&c'", '"https://x/?a=b&c"'],
    ["it's", String.raw`'it'\''s'`, `"it's"`],
  ])("%s is %s, and on Windows %s", (text, posix, windows) => {
    expect([asIn("linux", text), asIn("darwin", text)]).toEqual([posix, posix]);
    expect(asIn("win32", text)).toBe(windows);
  });

  /**
   * The attack: a relay gives a URL that starts a program where it is pasted. cmd obeys `&`, `|`, `<`, `>`
   * and `^` outside of double quotes and `%NAME%` anywhere; PowerShell obeys `$`, the backtick and every
   * double quote of Unicode inside of them. A backslash before the last quote would take its effect away.
   */
  it.each([
    '"&calc&"',
    "$(calc)",
    "`calc`",
    "%PATH%",
    "^&calc",
    "a\u201d; calc; \u201c",
    "a\\",
    "a\ncalc",
    "!PATH!",
    "\ud800",
  ])("does nothing but be a word on Windows: %j", (text) => {
    const word = asIn("win32", text);
    expect(word).toMatch(/^(?:[\w./:%~-]+|"[\w./:%~?&=+,;@()[\]*#'-]+")$/);
    expect(word.replaceAll(/%[\dA-F]{2}/g, "")).not.toContain("%");
  });
});

describe("a command to paste", () => {
  const parts = [
    "claude mcp add --transport http demo",
    `https://demo.relay.test/${"x".repeat(60)}`,
  ] as const;

  it("has several lines where a backslash goes on with it, and one on Windows", () => {
    const all = [...parts, '--header "Authorization: Bearer KEY"'] as const;
    expect(commandLines(all, "darwin")).toEqual([`${all[0]} \\`, `${all[1]} \\`, all[2]]);
    expect(commandLines(all, "win32")).toEqual([all.join(" ")]);
    expect(commandLines(parts, "win32")).toEqual([parts.join(" ")]);
  });
});

describe("a config file that was only found, on Windows", () => {
  const own = [String.raw`C:\Users\ann`, String.raw`D:\profiles\ann\AppData\Roaming\mcp-tunnel`];

  it.each([
    [String.raw`C:\Users\ann\work\mcp-tunnel-client.yaml`, true],
    [String.raw`c:\users\Ann\mcp-tunnel-client.yaml`, true],
    [String.raw`D:\profiles\ann\AppData\Roaming\mcp-tunnel\mcp-tunnel-client.yaml`, true],
    [String.raw`C:\Users\anna\mcp-tunnel-client.yaml`, false],
    [String.raw`C:\Users\Public\mcp-tunnel-client.yaml`, false],
    [String.raw`C:\work\mcp-tunnel-client.yaml`, false],
    [String.raw`D:\mcp-tunnel-client.yaml`, false],
    [String.raw`\\server\share\mcp-tunnel-client.yaml`, false],
  ])("%s is of use: %s", (path, isOfUse) => {
    const why = distrustOnWindows(path, own);
    expect(why === undefined).toBe(isOfUse);
    if (!isOfUse) expect(why).toContain("outside of your own folder");
  });
});

describe("--stdio without --", () => {
  it("is explained to those whose PowerShell has taken it", () => {
    const split = (platform: NodeJS.Platform) => () => splitArguments(["--stdio", "npx", "server"], platform);
    expect(split("win32")).toThrow("PowerShell passes -- on only in quotes: '--'");
    expect(split("darwin")).not.toThrow("PowerShell");
  });
});

/** Runs something that gets a signal. Counts how often it was asked to end. */
async function endsBy(
  signal: NodeJS.Signals,
  platform: NodeJS.Platform,
): Promise<{ status: number; ends: number }> {
  const others = process.listeners("uncaughtException");
  let ends = 0;
  let onEnd: (status: number) => void = () => {};
  const ended = new Promise<number>((resolve) => {
    onEnd = resolve;
  });
  const end = (): void => {
    ends += 1;
    onEnd(0);
  };
  const running = { isClosing: false, start: () => void process.emit(signal), end, ended };
  const output = { err: () => {} } as unknown as CommandOutput;
  const status = await runUntilEnded(running, output, undefined, platform);
  for (const listener of process.listeners("uncaughtException")) {
    if (!others.includes(listener)) process.off("uncaughtException", listener);
  }
  return { status, ends };
}

describe("a command that runs", () => {
  it("is cut at once when the window of its console was closed: Windows does not wait", async () => {
    for (const [platform, ends] of [
      ["win32", 2],
      ["darwin", 1],
    ] as const) {
      expect((await endsBy("SIGHUP", platform)).ends).toBe(ends);
      expect((await endsBy("SIGINT", platform)).ends).toBe(1);
    }
  });

  it.each(endSignals)("ends by %s, and listens no longer when it has ended", async (signal) => {
    const before = process.listenerCount(signal);
    expect(await endsBy(signal, "linux")).toEqual({ status: 0, ends: 1 });
    expect(process.listenerCount(signal)).toBe(before);
  });
});
