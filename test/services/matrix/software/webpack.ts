import assert from "node:assert/strict";
import type { Software } from "../matrix.js";
import type { Channel, UserAgent } from "../user-agent.js";
import { anotherSite } from "./log-in.js";
import { missingNode, type NodeService, startNode } from "./node.js";

/** The URL at which a page of webpack's finds its WebSocket, by the rules of webpack-dev-server/client. */
async function socketUrl(visitor: UserAgent): Promise<string> {
  const { text } = await visitor.open("/main.js", { from: "/" });
  const query = new URLSearchParams(/webpack-dev-server\/client\/index\.js\?([^"\\]+)/.exec(text)?.[1]);
  const url = new URL(query.get("pathname") as string, visitor.origin);
  if (query.get("hostname") !== "0.0.0.0") url.hostname = query.get("hostname") as string;
  if (query.get("port") !== "0") url.port = query.get("port") as string;
  if (query.get("protocol") === "ws:") url.protocol = "http:";
  return url.href;
}

/** The first message of the server over a WebSocket. */
async function firstMessage({ messages }: Channel): Promise<{ type: string; data?: unknown }> {
  return JSON.parse(String((await messages().next()).value)) as { type: string };
}

const scenarios: Software["scenarios"] = {
  async "shows the page and its script"(visitor) {
    await visitor.open("/");
    assert.match((await visitor.open("/main.js", { from: "/" })).text, /a page of webpack/);
  },
  async "says over the page's WebSocket what has changed"(visitor) {
    const { type } = await firstMessage(await visitor.webSocket(await socketUrl(visitor)));
    assert.equal(type, "hot");
  },
  async "refuses the WebSocket of another site"(visitor) {
    const { type, data } = await firstMessage(await visitor.webSocket("/ws", { foreign: anotherSite }));
    assert.deepEqual([type, data], ["error", "Invalid Host/Origin header"]);
  },
  async "refuses a script tag of another site"(visitor) {
    const headers = { "sec-fetch-mode": "no-cors", "sec-fetch-site": "cross-site" };
    assert.equal((await visitor.open("/main.js", { foreign: anotherSite, headers })).status, 403);
  },
};

export const webpackDevServer: Software = {
  name: "webpack-dev-server",
  missing: missingNode,
  start: () => startNode("webpack", "serve.cjs", (port) => [String(port)]),
  scenarios,
  expected: {
    "shows the page and its script": "works",
    "says over the page's WebSocket what has changed": {
      with: "none",
      why:
        "its script holds the name and port at which the server listens: " +
        "set `devServer.client.webSocketURL` to `auto://0.0.0.0:0/ws`",
    },
    "refuses the WebSocket of another site": "works",
    "refuses a script tag of another site": "works",
  },
};

/** Starts a server whose pages look for its WebSocket at their own origin. */
export function startWebpack(): Promise<NodeService> {
  return startNode("webpack", "serve.cjs", (port) => [String(port), "auto://0.0.0.0:0/ws"]);
}

export const webpackDevServerAuto: Software = {
  name: "webpack-dev-server with `devServer.client.webSocketURL` `auto://0.0.0.0:0/ws`",
  missing: missingNode,
  start: startWebpack,
  scenarios,
  expected: {
    "shows the page and its script": "works",
    "says over the page's WebSocket what has changed": "works",
    "refuses the WebSocket of another site": "works",
    "refuses a script tag of another site": "works",
  },
};
