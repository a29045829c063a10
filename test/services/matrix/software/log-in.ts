import assert from "node:assert/strict";
import type { Scenario } from "../matrix.js";

/** The origin of a page whose requests services refuse. */
export const anotherSite = "https://another-site.test";

/**
 * The scenarios of a form at `/` that posts to `/login`, which redirects to the absolute URL of `/welcome`.
 */
export const logIn = {
  async "logs in, with a cookie and an absolute redirect"(visitor) {
    const { text: form } = await visitor.open("/");
    const welcome = await visitor.open("/login", { method: "POST", body: filled(form), from: "/" });
    assert.equal(welcome.url, `${visitor.origin}/welcome`);
    assert.equal(welcome.text, "hello ada");
  },
  async "refuses the form on a page of another site"(visitor) {
    const { text: form } = await visitor.open("/");
    const body = filled(form);
    const { status } = await visitor.open("/login", { method: "POST", body, foreign: anotherSite });
    assert.ok(status >= 400, `answered ${status}`);
  },
} satisfies Record<string, Scenario>;

/** The form's hidden fields as they came, and a user name. */
function filled(html: string): URLSearchParams {
  const fields = new URLSearchParams({ user: "ada" });
  for (const [input] of html.matchAll(/<input type="hidden"[^>]*>/g)) {
    const [, name] = /name="([^"]*)"/.exec(input) ?? [];
    const [, value = ""] = /value="([^"]*)"/.exec(input) ?? [];
    if (name !== undefined) fields.append(name, value);
  }
  return fields;
}
