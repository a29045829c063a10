import assert from "node:assert/strict";
import type { Scenario, Service, Software } from "../matrix.js";
import { missingPython, startPython } from "./python.js";

const scenarios = {
  async "logs in, with absolute redirects"(visitor) {
    const form = await visitor.open("/");
    assert.equal(form.url, `${visitor.origin}/login`);
    const body = new URLSearchParams({ user: "ada" });
    const welcome = await visitor.open("/login", { method: "POST", body, from: "/login" });
    assert.equal(welcome.text, "hello ada");
  },
  async "redirects to the trailing slash"(visitor) {
    assert.equal((await visitor.open("/folder")).text, "folder");
  },
  async "keeps a cookie for the domain that it knows itself by"(visitor) {
    assert.equal((await visitor.open("/theme")).text, "dark");
  },
} satisfies Record<string, Scenario>;

function startApp(env: NodeJS.ProcessEnv): Promise<Service> {
  return startPython("flask", (port) => ["--app", "flask_app", "run", "--port", String(port)], { env });
}

export const flask: Software = {
  name: "Flask",
  missing: missingPython,
  start: () => startApp({}),
  scenarios,
  expected: {
    "logs in, with absolute redirects": "works",
    "redirects to the trailing slash": "works",
    "keeps a cookie for the domain that it knows itself by": "works",
  },
};

export const flaskWithProxyFix: Software = {
  name: "Flask with ProxyFix",
  missing: missingPython,
  start: () => startApp({ PROXY_FIX: "1" }),
  scenarios: {
    ...scenarios,
    async "names itself in its pages by the URL that visitors have"(visitor) {
      const form = await visitor.open("/login");
      assert.equal(/action="([^"]+)"/.exec(form.text)?.[1], `${visitor.origin}/login`);
    },
  },
  expected: {
    "logs in, with absolute redirects": "works",
    "redirects to the trailing slash": "works",
    "keeps a cookie for the domain that it knows itself by": "works",
    "names itself in its pages by the URL that visitors have": {
      with: "--forwarded-headers all",
      why:
        "it believes X-Forwarded-Host and -Proto, which the client does not send by default " +
        "because many services compare them with Origin",
    },
  },
};
