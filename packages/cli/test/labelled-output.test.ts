import { expect, it } from "vitest";
import type { RequestLine } from "mcp-tunnel-inspector/lines";
import { LabelledOutput, Labels } from "../src/output/labelled-output.js";
import type { Output } from "../src/output/output.js";
import { HumanRenderer } from "../src/render/human.js";

function screenOf(columns: number, colors = false): Output & { readonly lines: string[] } {
  const lines: string[] = [];
  const add = (line: string) => lines.push(line);
  return { lines, out: add, err: add, colors, columns };
}

const request: RequestLine = {
  id: 1,
  kind: "http",
  startedAt: 0,
  method: "GET",
  path: `/${"long/".repeat(30)}`,
  headers: [],
  status: 200,
  durationMs: 5,
  requestBytes: 0,
  responseBytes: 0,
  wasOpen: false,
} as never;

it("lines of several tunnels begin with their names, in one column, and fit a terminal of 80", () => {
  const screen = screenOf(80);
  const labels = new Labels();
  labels.names = ["web", "tools", "a-name-that-is-very-long"];
  for (const name of ["web", "tools", "a-name-that-is-very-long"]) {
    new HumanRenderer(new LabelledOutput(screen, labels, name), "http://localhost:3000").request(request);
  }
  expect(screen.lines.map((line) => line.slice(0, 17))).toEqual([
    "web              ",
    "tools            ",
    "a-name-that-i... ",
  ]);
  for (const line of screen.lines) {
    expect(line).toMatch(/^.{17}\d\d:\d\d:\d\d GET {2}\/long.*\.\.\..* 200 5\.0 ms$/);
    expect(line.length).toBe(80);
  }
});

it("the lines of one tunnel have no label, until there is a second one", () => {
  const screen = screenOf(80);
  const labels = new Labels();
  labels.names = ["web"];
  const output = new LabelledOutput(screen, labels, "web");
  output.out("a");
  expect(output.label).toBe(undefined);
  expect(output.columns).toBe(80);
  labels.names = ["web", "api"];
  output.err("b");
  expect(output.label).toEqual({ text: "web", plain: screen });
  expect(output.columns).toBe(76);
  expect(screen.lines).toEqual(["a", "web b"]);
});

it("labels have colours that mean nothing else, and each tunnel has its own", () => {
  const screen = screenOf(80, true);
  const labels = new Labels();
  labels.names = ["a", "b"];
  for (const name of ["a", "b"]) new LabelledOutput(screen, labels, name).out("x");
  expect(screen.lines).toEqual(["\u001b[36ma \u001b[39mx", "\u001b[35mb \u001b[39mx"]);
});

it("the line that stays below says which tunnel it is about, once there are several", () => {
  const kept: (string | undefined)[] = [];
  const screen = { keep: (_owner: object, text: string | undefined) => kept.push(text), copy() {} };
  const labels = new Labels();
  labels.names = ["web"];
  const output = new LabelledOutput({ ...screenOf(80), screen }, labels, "web");
  const own = output.screen;
  own?.keep(output, "Trying again in 3 s");
  labels.names = ["web", "api"];
  own?.keep(output, "Trying again in 2 s");
  own?.keep(output, undefined);
  expect(kept).toEqual(["Trying again in 3 s", "web: Trying again in 2 s", undefined]);
});

it("of several tunnels each says that nothing listens, since one alone has the line below", () => {
  const kept: (string | undefined)[] = [];
  const plain = {
    ...screenOf(80),
    screen: { keep: (_owner: object, text: string | undefined) => kept.push(text), copy() {} },
  };
  const labels = new Labels();
  for (const names of [["web"], ["web", "api"]]) {
    labels.names = names;
    new HumanRenderer(new LabelledOutput(plain, labels, "web"), "http://localhost:3000").listening("nothing");
  }
  expect(kept).toEqual(["warning: nothing", "web: warning: nothing"]);
  expect(plain.lines).toEqual(["web warning: nothing"]);
});
