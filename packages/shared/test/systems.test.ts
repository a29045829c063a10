import { writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { renameOver } from "../src/index.js";
import { isHangUpTheEnd, isReaderGone, readSecret } from "../src/command/index.js";
import { unicodeStream } from "../src/command/console.js";

// What differs by system, decided for each one wherever the test runs.

describe("SIGHUP", () => {
  it.each([
    ["linux", true, true],
    ["darwin", false, false],
    // The window of the console was closed, and Windows ends the process soon.
    ["win32", false, true],
  ] as const)("on %s, with a terminal: %s, is the end: %s", (platform, hasTerminal, isEnd) => {
    expect(isHangUpTheEnd(hasTerminal, platform)).toBe(isEnd);
  });
});

describe("a text that is not plain ASCII", () => {
  it.each([
    ["win32", 1, true, process.stdout],
    ["win32", 2, true, process.stderr],
    ["win32", 1, false, undefined],
    ["darwin", 1, true, undefined],
    ["linux", 1, true, undefined],
  ] as const)(
    "goes on %s to %i, a terminal: %s, by a stream of Node or not",
    (platform, fd, isTty, stream) => {
      expect(unicodeStream(fd, { platform, isTerminal: () => isTty })).toBe(stream);
    },
  );
});

describe("a reader that has left", () => {
  it.each([
    ["EPIPE", true],
    ["EOF", true],
    ["ENOSPC", false],
  ])("is not told by every code: %s, %s", (code, isGone) => {
    expect(isReaderGone(Object.assign(new Error(code), { code }))).toBe(isGone);
  });
});

describe("a file that takes the place of another", () => {
  const fails = (code: string, times: number): { tries: number; once(): Promise<void> } => ({
    tries: 0,
    async once() {
      this.tries += 1;
      if (this.tries <= times) throw Object.assign(new Error(code), { code });
    },
  });
  const renamed = (file: { once(): Promise<void> }, platform: NodeJS.Platform): Promise<void> =>
    renameOver("from", "to", platform, () => file.once());

  it.each(["EPERM", "EACCES", "EBUSY"])(
    "waits on Windows for a scanner that has it open: %s",
    async (code) => {
      const file = fails(code, 2);
      await renamed(file, "win32");
      expect(file.tries).toBe(3);
    },
  );

  it("fails at once where that has another reason", async () => {
    for (const [code, platform] of [
      ["EPERM", "linux"],
      ["EACCES", "darwin"],
      ["ENOENT", "win32"],
    ] as const) {
      const file = fails(code, 1);
      await expect(renamed(file, platform)).rejects.toMatchObject({ code });
      expect(file.tries).toBe(1);
    }
  });

  it("fails with the system's error if it stays open", async () => {
    const file = fails("EPERM", Number.POSITIVE_INFINITY);
    await expect(renamed(file, "win32")).rejects.toMatchObject({ code: "EPERM" });
    expect(file.tries).toBeGreaterThan(3);
  });
});

describe("a file with a secret", () => {
  it.each([
    ["UTF-8", Buffer.from("s3crét\r\n")],
    ["UTF-8 with a byte order mark", Buffer.from("\uFEFFs3crét\r\n")],
    ["UTF-16, as Windows PowerShell writes it", Buffer.from("\uFEFFs3crét\r\n", "utf16le")],
  ])("may be %s", (_name, bytes) => {
    const folder = mkdtempSync(join(tmpdir(), "mcp-tunnel-secret-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "token.txt");
    writeFileSync(file, bytes);
    const values = {
      getOptionValue: (key: string) => (key === "tokenFile" ? file : undefined),
      getOptionValueSource: () => "cli",
    };
    expect(readSecret(values as never, "token", Error as never)).toBe("s3crét");
  });
});
