import { execFileSync } from "node:child_process";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { RunningCommand } from "../../../test/support/commands.js";
import { missingProgram } from "../../../test/support/requires.js";
import { Approvals, isForegroundByPs } from "../src/tunnel/approvals.js";

const closing = closingAfterEach();

let input: PassThrough;
let numbers: string[];
let isInForeground: boolean;
let approvals: Approvals;
beforeEach(() => {
  input = new PassThrough();
  numbers = [];
  isInForeground = true;
  approvals = new Approvals(
    input,
    (number) => numbers.push(number),
    () => isInForeground,
  );
});
afterEach(() => {
  approvals.stop();
  vi.useRealTimers();
});

it("a line is a number, while somebody waits", async () => {
  expect(await Promise.all([approvals.begin(), approvals.begin()])).toEqual([true, true]);
  input.write(" 4711 \n\n12");
  input.write("34\n");
  await expect.poll(() => numbers).toEqual(["4711", "1234"]);
  approvals.stop();
  expect(input.isPaused()).toBe(true);
  expect(await approvals.begin()).toBe(true);
  input.write("5\n");
  await expect.poll(() => numbers).toEqual(["4711", "1234", "5"]);
});

it("nothing is read before anybody asks, and when the last one has waited for ten minutes", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  expect(input.readableFlowing).toBe(null);
  await approvals.begin();
  vi.advanceTimersByTime(400_000);
  await approvals.begin();
  vi.advanceTimersByTime(599_999);
  expect(input.isPaused()).toBe(false);
  vi.advanceTimersByTime(1);
  expect(input.isPaused()).toBe(true);
});

/**
 * The attack: a stranger asks for access while the command runs in the background of a shell. A process there
 * that reads its terminal is stopped by the system, and the tunnel with it.
 */
it("the terminal is left alone in the background", async () => {
  isInForeground = false;
  expect(await approvals.begin()).toBe(false);
  expect(input.readableFlowing).toBe(null);
  isInForeground = true;
  await approvals.begin();
  isInForeground = false;
  process.emit("SIGCONT");
  expect(input.isPaused()).toBe(true);
  expect(process.listenerCount("SIGCONT")).toBe(0);
});

it("the terminal is read on when the command goes on in the foreground", async () => {
  await approvals.begin();
  process.emit("SIGCONT");
  expect(input.isPaused()).toBe(true);
  await expect.poll(() => input.isPaused()).toBe(false);
});

it("nothing is read once it was stopped, although the question of the foreground was open", async () => {
  const beginning = approvals.begin();
  approvals.stop();
  expect(await beginning).toBe(false);
  expect(input.readableFlowing).toBe(null);
});

/** What macOS and the BSDs know. This test itself may run in the foreground or in the background. */
describe.skipIf(missingProgram("ps"))("without /proc", () => {
  it("ps says whether a process is in the foreground", async () => {
    const isMarked = execFileSync("ps", ["-o", "stat=", "-p", String(process.pid)], { encoding: "utf8" });
    expect(await isForegroundByPs(process.pid)).toBe(isMarked.includes("+"));
    const background = closing(new RunningCommand("sleep", ["1000"], { ownGroup: true }));
    expect(await isForegroundByPs(background.pid)).toBe(false);
  });

  it("nothing is read if ps is missing, or knows no such process", async () => {
    expect(await isForegroundByPs(process.pid, "no-such-program")).toBe(false);
    expect(await isForegroundByPs(2 ** 22 + 1)).toBe(false);
  });
});

it("nobody can answer after Ctrl-D", async () => {
  await approvals.begin();
  input.end();
  await expect.poll(() => input.readableEnded).toBe(true);
  expect(await approvals.begin()).toBe(false);
});
