import assert from "node:assert/strict";
import type { Software } from "../matrix.js";
import { anotherSite, logIn } from "./log-in.js";
import { missingNode, startNode } from "./node.js";

const scenarios: Software["scenarios"] = {
  ...logIn,
  async "echoes over a WebSocket"(visitor) {
    const { socket, messages } = await visitor.webSocket("/echo");
    socket.send("across");
    assert.equal(String((await messages().next()).value), "across");
  },
  async "refuses the WebSocket of another site"(visitor) {
    await assert.rejects(visitor.webSocket("/echo", { foreign: anotherSite }), { status: 403 });
  },
};

const works = {
  "logs in, with a cookie and an absolute redirect": "works",
  "refuses the form on a page of another site": "works",
  "echoes over a WebSocket": "works",
  "refuses the WebSocket of another site": "works",
} as const;

export const fastify: Software = {
  name: "Fastify",
  missing: missingNode,
  start: () => startNode("fastify", "server.mjs", (port) => [String(port)]),
  scenarios,
  expected: works,
};

export const fastifyBehindProxy: Software = {
  name: "Fastify with `trustProxy`",
  missing: missingNode,
  start: () => startNode("fastify", "server.mjs", (port) => [String(port), "trust-proxy"]),
  scenarios,
  expected: works,
  alsoWith: ["--forwarded-headers for,proto", "--origin keep --forwarded-headers all"],
};
