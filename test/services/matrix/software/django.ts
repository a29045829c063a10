import assert from "node:assert/strict";
import type { Scenario, Software } from "../matrix.js";
import type { UserAgent } from "../user-agent.js";
import { missingPython, startPython } from "./python.js";

async function csrfToken(visitor: UserAgent): Promise<string> {
  const form = await visitor.open("/login/");
  return /name="csrfmiddlewaretoken" value="(\w+)"/.exec(form.text)?.[1] ?? "none";
}

const scenarios: Record<string, Scenario> = {
  async "redirects to the login, with an absolute URL"(visitor) {
    const form = await visitor.open("/");
    assert.equal(form.url, `${visitor.origin}/login/`);
  },
  async "redirects to the trailing slash"(visitor) {
    assert.equal((await visitor.open("/login")).status, 200);
  },
  async "takes a form of its own page"(visitor) {
    const csrfmiddlewaretoken = await csrfToken(visitor);
    const welcome = await visitor.open("/login/", {
      method: "POST",
      body: new URLSearchParams({ csrfmiddlewaretoken, user: "ada" }),
      from: "/login/",
    });
    assert.equal(welcome.text, "hello ada");
  },
  async "refuses a form of another site"(visitor) {
    const csrfmiddlewaretoken = await csrfToken(visitor);
    const answer = await visitor.open("/login/", {
      method: "POST",
      body: new URLSearchParams({ csrfmiddlewaretoken, user: "ada" }),
      foreign: "https://attacker.example",
    });
    assert.equal(answer.status, 403);
  },
};

const expected = Object.fromEntries(Object.keys(scenarios).map((name) => [name, "works" as const]));

/** Django under its own server, with these settings besides those of a new project. */
function django(name: string, settings: object, alsoWith: readonly string[] = []): Software {
  const env = { DJANGO_SETTINGS: JSON.stringify(settings) };
  return {
    name,
    missing: missingPython,
    start: () => startPython("django_app", (port) => [String(port)], { env }),
    scenarios,
    expected,
    alsoWith,
  };
}

/** The setting that Django recommends behind a proxy that speaks TLS. */
const secureHeader = { SECURE_PROXY_SSL_HEADER: ["HTTP_X_FORWARDED_PROTO", "https"] };

export const djangoByDefault = django("Django", {});
export const djangoSecure = django("Django with SECURE_PROXY_SSL_HEADER", secureHeader, [
  "--forwarded-headers for,proto",
]);
export const djangoForwardedHost = django(
  "Django with USE_X_FORWARDED_HOST and SECURE_PROXY_SSL_HEADER",
  { ...secureHeader, USE_X_FORWARDED_HOST: true, ALLOWED_HOSTS: ["*"] },
  ["--origin keep --forwarded-headers all", "--host-header preserve"],
);

/** gunicorn believes X-Forwarded-Proto of this machine by default. */
export const djangoUnderGunicorn: Software = {
  ...djangoByDefault,
  name: "Django under gunicorn",
  start: () =>
    startPython("gunicorn", (port) => [
      "--bind",
      `127.0.0.1:${port}`,
      "--no-control-socket",
      "django_app:application",
    ]),
  alsoWith: ["--forwarded-headers for,proto"],
};
