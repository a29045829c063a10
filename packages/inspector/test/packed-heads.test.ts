import fc from "fast-check";
import { expect, it } from "vitest";
import { packRequest, packResponse, unpackRequest, unpackResponse } from "../src/capture/packed-heads.js";

const part = fc.string().filter((text) => !text.includes("\n"));
const fields = fc.array(fc.tuple(part, part), { maxLength: 5 }).map((pairs) => pairs.flat());

it("gives back the heads that it has packed", () => {
  fc.assert(
    fc.property(part, part, fields, fc.boolean(), (method, path, headers, upgrade) => {
      const head = { method, path, headers, ...(upgrade ? { upgrade } : {}) };
      expect(unpackRequest(packRequest(head) as string, upgrade)).toEqual(head);
    }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 999 }), fields, (status, headers) => {
      expect(unpackResponse(packResponse({ status, headers }) as string)).toEqual({ status, headers });
    }),
  );
});

it("packs no head that would come back as another one", () => {
  expect(packRequest({ method: "GET", path: "/\nx", headers: [] })).toBeUndefined();
  expect(packRequest({ method: "GET\n", path: "/", headers: [] })).toBeUndefined();
  expect(packRequest({ method: "GET", path: "/", headers: ["a", "b\nc"] })).toBeUndefined();
  expect(packResponse({ status: 200, headers: ["a\n", "b"] })).toBeUndefined();
});
