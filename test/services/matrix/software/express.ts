import assert from "node:assert/strict";
import type { Software } from "../matrix.js";
import { logIn } from "./log-in.js";
import { missingNode, startNode } from "./node.js";

const logInWorks = {
  "logs in, with a cookie and an absolute redirect": "works",
  "refuses the form on a page of another site": "works",
} as const;

export const express: Software = {
  name: "Express",
  missing: missingNode,
  start: () => startNode("express", "server.mjs", (port) => [String(port)]),
  scenarios: logIn,
  expected: logInWorks,
};

export const expressBehindProxy: Software = {
  name: "Express with `trust proxy`",
  missing: missingNode,
  start: () => startNode("express", "server.mjs", (port) => [String(port), "trust-proxy"]),
  scenarios: {
    ...logIn,
    async "names itself in its pages by the URL that visitors have"(visitor) {
      const { text } = await visitor.open("/");
      const action = /action="([^"]+)"/.exec(text)?.[1] as string;
      assert.equal(action, `${visitor.origin}/login`);
      const form = { method: "POST", body: new URLSearchParams({ user: "ada" }), from: "/" };
      assert.equal((await visitor.open(action, form)).text, "hello ada");
    },
  },
  expected: {
    ...logInWorks,
    "names itself in its pages by the URL that visitors have": {
      with: "--origin keep --forwarded-headers all",
      why:
        "it takes its public name from X-Forwarded-Host and -Proto, " +
        "which most other services compare with Origin or refuse",
    },
  },
  alsoWith: ["--forwarded-headers for,proto", "--origin keep --forwarded-headers all"],
};
