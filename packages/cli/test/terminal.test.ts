import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Approvals } from "../src/tunnel/approvals.js";
import { Terminal } from "../src/tunnel/terminal.js";

let input: PassThrough;
let approvals: Approvals;
let terminal: Terminal;
let told: string[];
beforeEach(() => {
  input = new PassThrough();
  told = [];
  terminal = new Terminal((onNumber) => (approvals = new Approvals(input, onNumber, () => true)));
});
afterEach(() => approvals.stop());

function gate(name: string, number: string) {
  return {
    approve(typed: string): boolean {
      if (typed === number) told.push(`${name} approves`);
      return typed === number;
    },
    refused: () => told.push(`${name} refuses`),
  };
}

it("a number is for the gate whose page shows it, and a wrong one is told once", async () => {
  const [web, api] = [gate("web", "11"), gate("api", "22")];
  expect(await Promise.all([terminal.begin(web), terminal.begin(api)])).toEqual([true, true]);
  input.write("22\n11\n33\n");
  await expect.poll(() => told).toEqual(["api approves", "web approves", "web refuses"]);
  terminal.leave(web);
  input.write("11\n22\n");
  await expect.poll(() => told.slice(3)).toEqual(["api refuses", "api approves"]);
  expect(input.isPaused()).toBe(false);
  terminal.leave(api);
  expect(input.isPaused()).toBe(true);
});

it("one question is asked after another, and nobody else reads meanwhile", async () => {
  const web = gate("web", "11");
  await terminal.begin(web);
  const asked: string[] = [];
  const answers: ((answer: string) => void)[] = [];
  const ask = (name: string): Promise<string> =>
    terminal.ask(() => {
      asked.push(name);
      return new Promise((resolve) => answers.push(resolve));
    });
  const [first, second] = [ask("first"), ask("second")];
  await expect.poll(() => asked).toEqual(["first"]);
  expect(input.isPaused()).toBe(true);
  expect(await terminal.begin(web)).toBe(false);
  answers[0]?.("one");
  expect(await first).toBe("one");
  await expect.poll(() => asked).toEqual(["first", "second"]);
  expect(input.isPaused()).toBe(true);
  answers[1]?.("two");
  expect(await second).toBe("two");
  // Whoever came meanwhile still waits.
  input.write("11\n");
  await expect.poll(() => told).toEqual(["web approves"]);
});
