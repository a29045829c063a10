import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { documentOf, html, pageFields, wantsHtml } from "../src/visitor-page/index.js";

const hostile = `"><script>alert('&')</script>`;

it("escapes every text, in the title, between tags and in attributes", () => {
  const body = html`<h1>${hostile}</h1><a href="${hostile}">${[html`<b>${hostile}</b>`]}</a>`;
  const text = documentOf({ title: hostile, body, refresh: { seconds: 1, url: hostile } });
  expect(text).not.toContain("<script");
  expect(text.split("&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;")).toHaveLength(6);
});

it("allows the page its one style, by its digest", () => {
  const style = /<style>([^]*)<\/style>/.exec(documentOf({ title: "a", body: html`` }))?.[1] ?? "";
  const digest = createHash("sha256").update(style).digest("base64");
  expect(pageFields["Content-Security-Policy"]).toContain(`style-src 'sha256-${digest}';`);
});

it("makes room for lines of code", () => {
  expect(documentOf({ title: "a", body: html`` })).toContain("<main>");
  expect(documentOf({ title: "a", body: html``, isWide: true })).toContain('<main class="wide">');
});

it.each([
  ["text/html,application/xhtml+xml,*/*;q=0.8", true],
  ["TEXT/HTML", true],
  ["*/*", false],
  ["application/json, text/event-stream", false],
  [null, false],
  [undefined, false],
])("knows by Accept %j whether a page is wanted", (accept, wanted) => {
  expect(wantsHtml(accept)).toBe(wanted);
});
