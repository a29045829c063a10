import { StringDecoder } from "node:string_decoder";
import { createParser } from "eventsource-parser";
import { isEventStreamType } from "mcp-tunnel-protocol";
import { isObject } from "mcp-tunnel-shared";
import type { JsonObject } from "mcp-tunnel-shared";
import type { Answer, AnswerHead, Ask, PieceJudge, Question } from "./question.js";
import { version } from "../version.js";

/** The latest revision of MCP with sessions. */
const legacyRevision = "2025-11-25";
/** The first revision in which requests stand alone. */
const modernRevision = "2026-07-28";

/** Longer names of servers are cut, in characters. */
const maxNameLength = 80;

/** An MCP server that has answered. */
export interface McpServer {
  /** `legacy`: revisions up to 2025-11-25, which begin with `initialize`. */
  readonly era: "legacy" | "modern";
  /** Name and version, as the server says them, and the revision. */
  readonly title: string;
  /** Fields that go with further requests. */
  readonly headers: Readonly<Record<string, string>>;
}

/** What became of a greeting. */
export type Greeting =
  | { readonly server: McpServer }
  /** The server wants the visitor to sign in first. `challenge`: its `WWW-Authenticate`. */
  | { readonly server: undefined; readonly isLoginNeeded: true; readonly challenge: string }
  | { readonly server: undefined; readonly isLoginNeeded: false; readonly said: string };

const clientInfo = { name: "mcp-tunnel-client-doctor", version };

/** What each request of the modern era says of who asks. */
const meta = {
  "io.modelcontextprotocol/protocolVersion": modernRevision,
  "io.modelcontextprotocol/clientInfo": clientInfo,
  "io.modelcontextprotocol/clientCapabilities": {},
};

/**
 * Asks at `path` whether an MCP server is there: `initialize`, and `server/discover` if that does not work.
 * A session that this begins is to be ended by {@link leave}.
 */
export async function greet(ask: Ask, path: string, signal: AbortSignal): Promise<Greeting> {
  const answer = await ask(initializeQuestion(path), signal);
  if (answer.status === 401) {
    return { server: undefined, isLoginNeeded: true, challenge: answer.headers["www-authenticate"] ?? "" };
  }
  const result = resultOf(answer);
  const server = result === undefined ? undefined : legacyServer(answer, result);
  if (server !== undefined) {
    await ask(post(path, { method: "notifications/initialized" }, server.headers), signal);
    return { server };
  }
  // A page that answers everything with 200 is asked no more.
  if (errorOf(answer) === undefined) {
    return { server: undefined, isLoginNeeded: false, said: saidOf(answer) };
  }
  const modern = await ask(modernQuestion(path, "server/discover"), signal);
  const discovered = resultOf(modern);
  if (discovered === undefined) return { server: undefined, isLoginNeeded: false, said: saidOf(answer) };
  return { server: modernServer(discovered) };
}

/** The number of tools that a server names; undefined if it does not tell. */
export async function countTools(
  ask: Ask,
  path: string,
  { era, headers }: McpServer,
  signal: AbortSignal,
): Promise<number | undefined> {
  const question =
    era === "modern"
      ? modernQuestion(path, "tools/list")
      : post(path, { id: 2, method: "tools/list", params: {} }, headers);
  const tools = resultOf(await ask(question, signal))?.["tools"];
  return Array.isArray(tools) ? tools.length : undefined;
}

/** Ends a session. Servers need not support it. */
export async function leave(
  ask: Ask,
  path: string,
  { headers }: McpServer,
  signal: AbortSignal,
): Promise<void> {
  if (headers["mcp-session-id"] === undefined) return;
  await ask({ method: "DELETE", path, headers }, signal).catch(() => {});
}

export function initializeQuestion(path: string): Question {
  const params = { protocolVersion: legacyRevision, capabilities: {}, clientInfo };
  return post(path, { id: 1, method: "initialize", params }, {});
}

function modernQuestion(path: string, method: string): Question {
  const headers = { "mcp-protocol-version": modernRevision, "mcp-method": method };
  return post(path, { id: 1, method, params: { _meta: meta } }, headers);
}

function post(path: string, message: object, headers: Readonly<Record<string, string>>): Question {
  return {
    method: "POST",
    path,
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...headers,
    },
    body: Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message })),
    // Some servers leave the stream open in which they have answered.
    enough: (head) => isEventStream(head) && answerJudge(),
  };
}

function legacyServer({ headers }: Answer, result: JsonObject): McpServer | undefined {
  const revision = result["protocolVersion"];
  if (typeof revision !== "string") return undefined;
  const session = headers["mcp-session-id"];
  return {
    era: "legacy",
    title: titleOf(result, revision),
    headers: {
      "mcp-protocol-version": revision,
      ...(session === undefined ? {} : { "mcp-session-id": session }),
    },
  };
}

function modernServer(result: JsonObject): McpServer {
  const headers = { "mcp-protocol-version": modernRevision };
  return { era: "modern", title: titleOf(result, modernRevision), headers };
}

function titleOf(result: JsonObject, revision: string): string {
  const resultMeta = isObject(result["_meta"]) ? result["_meta"] : {};
  const given = result["serverInfo"] ?? resultMeta["io.modelcontextprotocol/serverInfo"];
  const info = isObject(given) ? given : {};
  const words = [info["name"], info["version"]].filter((word) => typeof word === "string");
  const name = words.join(" ").slice(0, maxNameLength);
  return `${name === "" ? "a server without a name" : `'${name}'`}, revision ${revision.slice(0, 20)}`;
}

export function isEventStream({ headers }: AnswerHead): boolean {
  return isEventStreamType(headers["content-type"] ?? "");
}

function resultOf(answer: Answer): JsonObject | undefined {
  const result = messageOf(answer)?.["result"];
  return isObject(result) ? result : undefined;
}

function errorOf(answer: Answer): JsonObject | undefined {
  const error = messageOf(answer)?.["error"];
  return isObject(error) ? error : undefined;
}

/** The first JSON-RPC answer in the body, alone or in an event stream. */
function messageOf(answer: Answer): JsonObject | undefined {
  const text = answer.body.toString();
  const texts = isEventStream(answer) ? eventsOf(text) : [text];
  return texts.map(parsed).find((message) => message !== undefined && isAnswer(message));
}

function isAnswer(message: JsonObject): boolean {
  return "result" in message || "error" in message;
}

/** Says when a JSON-RPC answer has come in an event stream. */
function answerJudge(): PieceJudge {
  let hasAnswer = false;
  const parser = createParser({
    onEvent({ data }) {
      const message = parsed(data);
      hasAnswer ||= message !== undefined && isAnswer(message);
    },
  });
  const decoder = new StringDecoder("utf8");
  // The parser looks at the whole of a line that is not complete again with each piece of it.
  let texts: string[] = [];
  return (piece) => {
    texts.push(decoder.write(piece));
    if (piece.includes("\n") || piece.includes("\r")) {
      parser.feed(texts.join(""));
      texts = [];
    }
    return hasAnswer;
  };
}

function eventsOf(text: string): string[] {
  const events: string[] = [];
  createParser({ onEvent: ({ data }) => events.push(data) }).feed(text);
  return events;
}

function parsed(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** An answer that is no MCP, in a few words. */
function saidOf(answer: Answer): string {
  const message = errorOf(answer)?.["message"];
  const type = answer.headers["content-type"]?.split(";")[0] ?? "no type";
  const what =
    typeof message === "string"
      ? `the error '${message.slice(0, maxNameLength)}'`
      : type.slice(0, maxNameLength);
  return `${answer.status} with ${what}`;
}
