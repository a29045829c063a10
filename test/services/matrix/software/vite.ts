import assert from "node:assert/strict";
import type { Software } from "../matrix.js";
import { anotherSite } from "./log-in.js";
import { missingNode, startNode } from "./node.js";
import type { UserAgent } from "../user-agent.js";

/**
 * The path of the WebSocket that tells a page of changes, with the token that only the server's own pages can
 * read.
 */
async function socketPath(visitor: UserAgent): Promise<string> {
  const { text } = await visitor.open("/@vite/client", { from: "/" });
  return `/?token=${/wsToken = "([^"]+)"/.exec(text)?.[1]}`;
}

export const vite: Software = {
  name: "Vite's development server",
  missing: missingNode,
  start: () =>
    startNode("vite", "node_modules/vite/bin/vite.js", (port) => ["--port", String(port), "--strictPort"]),
  scenarios: {
    async "shows the page and its module"(visitor) {
      const { text } = await visitor.open("/");
      assert.match(text, /@vite\/client/);
      assert.match((await visitor.open("/main.js", { from: "/" })).text, /a page of Vite/);
    },
    async "says over its WebSocket what has changed"(visitor) {
      const { messages } = await visitor.webSocket(await socketPath(visitor), { protocols: ["vite-hmr"] });
      assert.deepEqual(JSON.parse(String((await messages().next()).value)), { type: "connected" });
    },
    async "refuses the WebSocket of another site"(visitor) {
      const offer = { protocols: ["vite-hmr"], foreign: anotherSite };
      await assert.rejects(visitor.webSocket("/", offer), { status: 400 });
    },
    async "lets no other site read a module"(visitor) {
      const { headers } = await visitor.open("/main.js", {
        foreign: anotherSite,
        headers: { origin: anotherSite },
      });
      assert.equal(headers["access-control-allow-origin"], undefined);
    },
  },
  expected: {
    "shows the page and its module": "works",
    "says over its WebSocket what has changed": "works",
    "refuses the WebSocket of another site": "works",
    "lets no other site read a module": "works",
  },
};
