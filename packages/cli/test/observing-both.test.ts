import { expect, it } from "vitest";
import type { ExchangeObserver, ExchangeStart, ServedTunnel } from "mcp-tunnel-client";
import { observingBoth } from "../src/tunnel/observing-both.js";

const start: ExchangeStart = {
  ...{ id: 1, head: { method: "GET", path: "/", headers: [] }, tunnel: {} as ServedTunnel },
  ...{ streamId: 1, startedAtMs: 0 },
};

/** An observer that notes what it is told. */
function noting(notes: string[], name: string): ExchangeObserver {
  const note = (what: string) => (): void => void notes.push(`${name} ${what}`);
  return {
    ...{ onRequestData: note("request"), onRequestEnd: note("request end"), onInterim: note("interim") },
    ...{ onHead: note("head"), onData: note("data"), onEnd: note("end"), onOver: note("over") },
  };
}

it("tells each exchange to those who want it", () => {
  const notes: string[] = [];
  const only: ExchangeObserver = {};
  const nobody = (): undefined => undefined;
  expect(observingBoth(nobody, () => only)(start)).toBe(only);
  expect(observingBoth(() => only, nobody)(start)).toBe(only);
  expect(observingBoth(nobody, nobody)(start)).toBeUndefined();
  const both = observingBoth(
    () => noting(notes, "a"),
    () => noting(notes, "b"),
  )(start);
  both?.onRequestData?.(Buffer.from("x"));
  both?.onRequestEnd?.([]);
  both?.onInterim?.({ status: 103, headers: [] });
  both?.onHead?.({ status: 200, headers: [] }, false);
  both?.onData?.(Buffer.from("x"));
  both?.onEnd?.([]);
  const sizes = { durationMs: 1, requestBytes: 1, responseBytes: 1 };
  both?.onOver?.({ method: "GET", path: "/", status: 200, ...sizes, error: undefined });
  const told = ["request", "request end", "interim", "head", "data", "end", "over"];
  expect(notes).toEqual(told.flatMap((what) => [`a ${what}`, `b ${what}`]));
});

it("tells one that an exchange is over, whatever the other makes of it", () => {
  const notes: string[] = [];
  const faulty = (): ExchangeObserver => ({
    onOver() {
      throw new Error("a fault");
    },
  });
  const both = observingBoth(faulty, () => noting(notes, "b"))(start);
  const sizes = { durationMs: 1, requestBytes: 1, responseBytes: 1 };
  const over = (): void =>
    both?.onOver?.({ method: "GET", path: "/", status: 200, ...sizes, error: undefined });
  expect(over).toThrow("a fault");
  expect(notes).toEqual(["b over"]);
});
