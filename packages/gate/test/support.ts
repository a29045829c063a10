import type { RawHeaders } from "mcp-tunnel-protocol";
import type { OAuth } from "../src/oauth/oauth.js";
import { ownPrefix, resourceMetadata, serverMetadata } from "../src/paths.js";
import type { Verdict, Visit } from "../src/visit.js";

export const origin = "https://demo.relay.test";
export const key = "a-key-of-a-laptop-1";
export const otherKey = "a-key-of-a-server-2";
export const keys = [
  { name: "laptop", key },
  { name: "server", key: otherKey },
];
export const users = [
  { name: "ann", password: "swordfish" },
  { name: "Jörg", password: "übel: ja" },
];

/** The only token that the fake of OAuth knows. */
export const token = "a-token";

export function visitOf(headers: RawHeaders = [], more: Partial<Visit> = {}): Visit {
  return {
    method: "GET",
    target: "/mcp",
    headers: ["Host", "demo.relay.test", ...headers],
    address: "192.0.2.1",
    origin,
    ...more,
  };
}

export function basic(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;
}

/** A visit in short: the fields that pass, without Host; or the status; or `page`. */
export function outcome(verdict: Verdict): RawHeaders | number | "page" {
  if (verdict.kind === "page") return "page";
  if (verdict.kind === "answer") return verdict.answer.status;
  return verdict.headers.slice(2);
}

/** All values of a field of the gate's answer. */
export function valuesOf(verdict: Verdict, name: string): string[] {
  if (verdict.kind !== "answer") throw new Error(`the gate did not answer: ${verdict.kind}`);
  const { headers } = verdict.answer;
  return headers.filter((_, at) => at % 2 === 1 && headers[at - 1]?.toLowerCase() === name);
}

/** OAuth that knows one token. */
export function fakeOAuth(calls: string[] = []): OAuth {
  return {
    begin: (at) => void calls.push(`begin ${at}`),
    identify: (shown) =>
      shown === token ? { user: "owner", client: "https://claude.ai/client", scope: "mcp" } : undefined,
    challenge: (_visit, isTokenWrong) =>
      `Bearer resource_metadata="${origin}${resourceMetadata}/mcp", scope="mcp"${isTokenWrong ? ', error="invalid_token"' : ""}`,
    owns: (target) =>
      target.startsWith(ownPrefix) ||
      [resourceMetadata, ...serverMetadata].some((known) => target.startsWith(known)),
    pages: (req, res) => {
      res.setHeader("Content-Type", "application/json");
      res.end(JSON.stringify({ url: req.url, headers: req.rawHeaders }));
    },
    approve: (number) => number === "42",
    renew: (passcode) => void calls.push(`renew ${passcode}`),
    close: async () => void calls.push("close"),
  };
}
