import type { IncomingMessage, ServerResponse } from "node:http";
import { describe, expect, it } from "vitest";
import { answerOf, ApiProblem, authorityOf, PageSecret, problemOf, routesWith } from "../src/page/index.js";

// The rules, the guards and the files of pages are tested with the servers that have them: the inspector's
// (packages/inspector/test) and the relay's (test/admin).

describe("the secret of a page", () => {
  const secret = new PageSecret("open sesame");

  it.each(["Bearer open sesame", "bearer open sesame", "Bearer    open sesame"])(
    "is shown by '%s'",
    (field) => {
      expect(secret.isIn(field)).toBe(true);
    },
  );

  it.each([
    undefined,
    "",
    "Bearer",
    "Bearer ",
    "Bearer open",
    "Bearer open sesame ",
    "Basic open sesame",
    "open sesame",
  ])("is not shown by '%s'", (field) => {
    expect(secret.isIn(field)).toBe(false);
  });
});

describe("routes", () => {
  const route = routesWith({ ID: "[0-9]+", NAME: "[a-z]+" });
  const res = {} as ServerResponse;
  const told: unknown[] = [];
  const routes = [
    route("/api/ID/NAME", { GET: ({ args, query }) => void told.push([args, query.get("q")]) }),
    route("/api", { GET: () => {}, POST: () => void told.push("posted"), DELETE: () => {} }),
  ];
  const ask = (method: string, url: string) =>
    answerOf(routes, { method, url } as IncomingMessage, "elsewhere");

  it("take what stands for placeholders, and the query", async () => {
    await ask("GET", "/api/12/ab?q=x?y")(res);
    await ask("HEAD", "/api/3/c")(res);
    await ask("POST", "/api?x")(res);
    expect(told).toEqual([[["12", "ab"], "x?y"], [["3", "c"], null], "posted"]);
  });

  it.each(["/api/", "/api/x/ab", "/api/12/ab/", "/other", "", "*", "/API"])("do not take '%s'", (url) => {
    expect(() => ask("GET", url)).toThrow(expect.objectContaining({ status: 404, message: "elsewhere" }));
  });

  it("tell the methods that they know", () => {
    const problem = { status: 405, fields: { Allow: "GET, HEAD, POST, DELETE" } };
    expect(() => ask("PUT", "/api")).toThrow(expect.objectContaining(problem));
    expect(() => ask("constructor", "/api")).toThrow(expect.objectContaining(problem));
  });
});

describe("a problem", () => {
  it("is what an error says of itself, or a fault of the program", () => {
    const known = new ApiProblem(409, "busy", "try later");
    expect(problemOf(known, "the test")).toBe(known);
    const own = Object.assign(new Error("not now"), { status: 503, code: "away" });
    expect(problemOf(own, "the test")).toMatchObject({ status: 503, code: "away", message: "not now" });
    const system = Object.assign(new Error("gone"), { code: "ENOENT" });
    for (const error of [system, new Error("gone"), "gone"]) {
      expect(problemOf(error, "the test")).toMatchObject({
        status: 500,
        code: "internal",
        message: "a fault of the test: gone",
      });
    }
  });
});

it.each([
  ["127.0.0.1", 4_040, "127.0.0.1:4040"],
  ["127.0.0.1", 80, "127.0.0.1"],
  ["::1", 9_090, "[::1]:9090"],
  ["2001:DB8:0:0:0:0:0:1", 80, "[2001:db8::1]"],
])("the Host of %s, port %d, is %s", (address, port, authority) => {
  expect(authorityOf(address, port)).toBe(authority);
});
