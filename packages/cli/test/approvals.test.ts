import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Approvals } from "../src/approvals.js";

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
  expect(approvals.begin()).toBe(true);
  expect(approvals.begin()).toBe(true);
  input.write(" 4711 \n\n12");
  input.write("34\n");
  await expect.poll(() => numbers).toEqual(["4711", "1234"]);
  approvals.stop();
  expect(input.isPaused()).toBe(true);
  expect(approvals.begin()).toBe(true);
  input.write("5\n");
  await expect.poll(() => numbers).toEqual(["4711", "1234", "5"]);
});

it("nothing is read before anybody asks, and when the last one has waited for ten minutes", () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  expect(input.readableFlowing).toBe(null);
  approvals.begin();
  vi.advanceTimersByTime(400_000);
  approvals.begin();
  vi.advanceTimersByTime(599_999);
  expect(input.isPaused()).toBe(false);
  vi.advanceTimersByTime(1);
  expect(input.isPaused()).toBe(true);
});

/**
 * The attack: a stranger asks for access while the command runs in the background of a shell. A process there
 * that reads its terminal is stopped by the system, and the tunnel with it.
 */
it("the terminal is left alone in the background", () => {
  isInForeground = false;
  expect(approvals.begin()).toBe(false);
  expect(input.readableFlowing).toBe(null);
  isInForeground = true;
  approvals.begin();
  isInForeground = false;
  process.emit("SIGCONT");
  expect(input.isPaused()).toBe(true);
  expect(process.listenerCount("SIGCONT")).toBe(0);
});

it("nobody can answer after Ctrl-D", async () => {
  approvals.begin();
  input.end();
  await expect.poll(() => input.readableEnded).toBe(true);
  expect(approvals.begin()).toBe(false);
});
