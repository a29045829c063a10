import { isObject, mcpParamHeaders, type McpParamHeader } from "mcp-tunnel-shared";
import type { ToolInfo } from "../model.js";
import { textBytes } from "./words.js";

interface KeptTool {
  readonly text: string;
  readonly bytes: number;
  readonly headers: readonly McpParamHeader[];
}

/** What the kept tools of one session may take, in bytes. */
const maxKeptBytes = 256 * 1_024;
/** About what a tool, and a header field of it, take in memory besides the text. */
const toolBytes = 300;
const headerBytes = 300;
/** Bytes from which on a list of tools fills so much of a model's context that hosts complain. */
const largeListBytes = 100_000;
/** How deep a tool is nested that is kept. JSON of one that is much deeper cannot be written. */
const maxToolDepth = 100;

/** The last answer to `tools/list` of one session, with all its pages. */
export class ToolList {
  /** All tools of the answer. */
  count = 0;
  bytes = 0;
  /** What is held here, in bytes of memory. */
  keptBytes = 0;
  readonly #tools = new Map<string, KeptTool>();

  /** Adds the tools of one page. */
  add(result: Readonly<Record<string, unknown>>): void {
    const tools: unknown[] = Array.isArray(result["tools"]) ? result["tools"] : [];
    for (const tool of tools) {
      const text = isShallow(tool, maxToolDepth) ? JSON.stringify(tool) : "";
      const bytes = Buffer.byteLength(text);
      this.count += 1;
      this.bytes += bytes;
      if (text === "" || !isObject(tool) || typeof tool["name"] !== "string") continue;
      if (this.#tools.has(tool["name"])) continue;
      const headers = mcpParamHeaders(tool["inputSchema"]);
      const cost = bytes + toolBytes + costOf(headers);
      if (this.keptBytes + cost > maxKeptBytes) continue;
      this.keptBytes += cost;
      this.#tools.set(tool["name"], { text, bytes, headers });
    }
  }

  get isLarge(): boolean {
    return this.bytes > largeListBytes;
  }

  headersOf(tool: string): readonly McpParamHeader[] {
    return this.#tools.get(tool)?.headers ?? [];
  }

  /** `hide` replaces secrets in texts. */
  find(name: string, hide: (text: string) => string): ToolInfo | undefined {
    const kept = this.#tools.get(name);
    return kept && toolInfo(kept, hide);
  }

  all(hide: (text: string) => string): ToolInfo[] {
    return [...this.#tools.values()].map((kept) => toolInfo(kept, hide));
  }
}

function toolInfo({ text, bytes }: KeptTool, hide: (text: string) => string): ToolInfo {
  const tool = JSON.parse(text) as Record<string, unknown>;
  const hints = isObject(tool["annotations"]) ? tool["annotations"] : {};
  const { title = hints["title"], description, inputSchema } = tool;
  const readOnly = hints["readOnlyHint"] === true;
  return {
    name: hide(String(tool["name"])),
    ...(typeof title === "string" && { title: hide(title) }),
    ...(typeof description === "string" && { description: hide(description) }),
    inputSchema: withoutSecrets(inputSchema, hide),
    readOnly,
    idempotent: hints["idempotentHint"] === true,
    // Without a hint, a tool counts as one that destroys (MCP, ToolAnnotations).
    destructive: !readOnly && hints["destructiveHint"] !== false,
    bytes,
  };
}

function withoutSecrets(schema: unknown, hide: (text: string) => string): unknown {
  const text = JSON.stringify(schema) as string | undefined;
  if (text === undefined) return {};
  const hidden = hide(text);
  try {
    return hidden === text ? schema : JSON.parse(hidden);
  } catch {
    return {};
  }
}

function costOf(headers: readonly McpParamHeader[]): number {
  let cost = headerBytes * headers.length;
  for (const { name, path } of headers) cost += textBytes(name, ...path);
  return cost;
}

/** Whether a value is nested no deeper than so many levels. It never looks deeper than that. */
function isShallow(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((below) => isShallow(below, levels - 1));
}
