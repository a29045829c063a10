import assert from "node:assert/strict";
import type { Software } from "../matrix.js";
import { missingPython, startPython } from "./python.js";

export const flask: Software = {
  name: "Flask",
  missing: missingPython,
  start: () => startPython("flask", (port) => ["--app", "flask_app", "run", "--port", String(port)]),
  scenarios: {
    async "logs in, with absolute redirects"(visitor) {
      const form = await visitor.open("/");
      assert.equal(form.url, `${visitor.origin}/login`);
      const welcome = await visitor.open("/login", {
        method: "POST",
        body: new URLSearchParams({ user: "ada" }),
        from: "/login",
      });
      assert.equal(welcome.text, "hello ada");
    },
    async "redirects to the trailing slash"(visitor) {
      assert.equal((await visitor.open("/folder")).text, "folder");
    },
  },
  expected: {
    "logs in, with absolute redirects": "works",
    "redirects to the trailing slash": "works",
  },
};
