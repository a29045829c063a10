import assert from "node:assert/strict";
import type { Software } from "../matrix.js";
import { anotherSite } from "./log-in.js";
import { missingNode, type NodeService, startNode } from "./node.js";
import type { Ask, UserAgent } from "../user-agent.js";

/** The request of the page's form, made by the page's script or by the browser itself. */
async function action(visitor: UserAgent, by: "script" | "browser"): Promise<Ask> {
  const { text } = await visitor.open("/");
  const id = /name="\$ACTION_ID_([0-9a-f]+)"/.exec(text)?.[1] as string;
  // React's own encoding of the arguments: the form is the first argument, and its fields come before the
  // list.
  const fields =
    by === "script"
      ? [
          ["_1_user", "ada"],
          ["0", '["$K1"]'],
        ]
      : [
          [`$ACTION_ID_${id}`, ""],
          ["user", "ada"],
        ];
  const boundary = "----form";
  const parts = fields.map(
    ([name, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  return {
    method: "POST",
    headers: {
      "content-type": `multipart/form-data; boundary=${boundary}`,
      ...(by === "script" ? { "next-action": id, accept: "text/x-component" } : {}),
    },
    body: `${parts.join("")}--${boundary}--\r\n`,
  };
}

export function startNext(): Promise<NodeService> {
  const args = (port: number): string[] => ["dev", "-H", "127.0.0.1", "-p", String(port)];
  return startNode("next", "node_modules/next/dist/bin/next", args);
}

export const next: Software = {
  name: "Next's development server",
  missing: missingNode,
  start: startNext,
  scenarios: {
    async "shows the page and its scripts"(visitor) {
      const { text } = await visitor.open("/");
      const [script] = /\/_next\/static\/[^"]+\.js/.exec(text) ?? [];
      assert.equal((await visitor.open(script as string, { from: "/" })).status, 200);
    },
    async "takes a form with a server action"(visitor) {
      const welcome = await visitor.open("/", await action(visitor, "browser"));
      assert.equal(welcome.url, `${visitor.origin}/welcome`);
      assert.match(welcome.text, /hello (<!-- -->)?ada/);
    },
    async "takes a server action from a script"(visitor) {
      const answer = await visitor.open("/", { ...(await action(visitor, "script")), redirect: "manual" });
      visitor.note(`${answer.headers["x-action-redirect"]}`);
      assert.match(answer.text, /"hello ",?\s*"ada"/);
    },
    async "refuses a server action of another site"(visitor) {
      const answer = await visitor.open("/", { ...(await action(visitor, "script")), foreign: anotherSite });
      assert.equal(answer.status, 500);
    },
    async "says over its WebSocket what has changed"(visitor) {
      const { messages } = await visitor.webSocket("/_next/hmr?id=a-page");
      assert.notEqual((await messages().next()).value, undefined);
    },
    async "refuses the WebSocket of another site"(visitor) {
      await assert.rejects(visitor.webSocket("/_next/hmr?id=a-page", { foreign: anotherSite }));
      // Next refuses with a word that is no answer of HTTP. A browser learns nothing, and a proxy answers
      // 502.
      visitor.journal.length = 0;
    },
  },
  expected: {
    "shows the page and its scripts": "works",
    "takes a form with a server action": "works",
    "takes a server action from a script": "works",
    "refuses a server action of another site": "works",
    "says over its WebSocket what has changed": "works",
    "refuses the WebSocket of another site": "works",
  },
};
