import { expect, it } from "vitest";
import { messageOf, stackOf } from "../src/index.js";

it("anything that is thrown has a message", () => {
  const error = new Error("it broke");
  expect(messageOf(error)).toBe("it broke");
  expect(stackOf(error)).toMatch(/^Error: it broke\n +at .*errors\.test/);
  expect([messageOf("text"), stackOf("text"), messageOf(undefined)]).toEqual(["text", "text", "undefined"]);
  const several = new AggregateError([error, new Error("so did the other")]);
  expect(messageOf(several)).toBe("it broke; so did the other");
  delete error.stack;
  expect(stackOf(error)).toBe("it broke");
});

it.each([
  ["an object without a prototype", Object.create(null)],
  ["a proxy that was revoked", revoked()],
])("says that it has no words for %s", (_what, thrown: unknown) => {
  expect([messageOf(thrown), stackOf(thrown)]).toEqual(
    Array(2).fill("what was thrown cannot be put into words"),
  );
});

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

it("what has no words is no second error", () => {
  const silent = Object.defineProperty(new Error("x"), "stack", {
    get() {
      throw new Error("asked");
    },
  });
  expect(stackOf(silent)).toBe("what was thrown cannot be put into words");
  expect(stackOf(Object.assign(new Error("x"), { stack: 5 }))).toBe("5");
});
