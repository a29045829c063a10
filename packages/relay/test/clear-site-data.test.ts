import { expect, it } from "vitest";
import { spareCookies } from "../src/http/exchange/clear-site-data.js";

const allButCookies =
  '"cache", "clientHints", "executionContexts", "prefetchCache", "prerenderCache", "storage"';

it.each([
  ['"cookies"', undefined],
  ['"COOKIES"', undefined],
  [' \t"cookies" ,, "Cookies"', undefined],
  ['"storage", "cookies"', '"storage"'],
  ['"cookies","cache" , "storage"', '"cache", "storage"'],
  ['"*"', allButCookies],
  ['"*", "cookies", "*"', allButCookies],
  ['"cache", "*"', allButCookies],
  ['"storage:bucket-1", "from-the-future"', '"storage:bucket-1", "from-the-future"'],
  // Finer kinds of cookies, which may come.
  ['"cookies:partitioned"', undefined],
  // Quoted pairs, single quotes, no quotes, open quotes, and in quotes a character that some reader may skip.
  ['"cook\\ies"', undefined],
  ['"\\*"', undefined],
  ["'cookies'", undefined],
  ["cookies, *", undefined],
  ['"cookies', undefined],
  ['" cookies "', undefined],
  ['"cook,ies"', undefined],
  ['"a, "cookies", b"', undefined],
  ['"cookies";x=1', undefined],
  ['"cache";x="\\"", "storage"', '"storage"'],
  ["", undefined],
])("makes of %s: %s", (value, kept) => {
  const headers = ["X-A", "1", "clear-SITE-data", value, "X-B", "2"];
  const field = kept === undefined ? [] : ["clear-SITE-data", kept];
  expect(spareCookies(headers)).toEqual(["X-A", "1", ...field, "X-B", "2"]);
});

it("looks at every field of the name, and at no other", () => {
  const headers = ["Clear-Site-Data", '"cookies"', "X-Clear-Site-Da", '"*"', "Clear-Site-Data", '"cache"'];
  expect(spareCookies(headers)).toEqual(["X-Clear-Site-Da", '"*"', "Clear-Site-Data", '"cache"']);
  const plain = ["Content-Type", "text/plain"];
  expect(spareCookies(plain)).toBe(plain);
});

it("takes no longer than the value is long", () => {
  const quarterMebibyte = 262_144;
  for (const text of ['"', '",', '"a"', ", ", "\\", " ", '"cookies",', "\t,"]) {
    const value = text.repeat(quarterMebibyte / text.length);
    expect(spareCookies(["Clear-Site-Data", `${value}, "cookies"`]).join()).not.toMatch(/cookies/);
  }
});
