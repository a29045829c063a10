import type * as Sdk from "@modelcontextprotocol/server";
import { isObject } from "mcp-tunnel-shared";
import { errorCodes, isRequest, type Message } from "../message.js";
import { firstModernVersion, isModernVersion } from "./looks-modern.js";
import { hasOneReading } from "./one-reading.js";
import type { Refusal } from "./refusal.js";
import { checkStandardHeaders } from "./standard-headers.js";
import { ToolHeaders } from "./tool-headers.js";

const ambiguous: Refusal = {
  httpStatus: 400,
  code: errorCodes.invalidRequest,
  message: "Invalid Request: a member is there twice, or differs in case from one of JSON-RPC or MCP",
};

/** A server that does not look for an id first would cancel the request of another visitor. */
const noSuchRequest: Refusal = {
  httpStatus: 404,
  code: errorCodes.methodNotFound,
  message: "Method not found",
};

let sdk: Promise<typeof Sdk> | undefined;

/** The SDK takes 0.1 s to load, and servers of earlier revisions never need it. */
function loadSdk(): Promise<typeof Sdk> {
  sdk ??= import("@modelcontextprotocol/server");
  return sdk;
}

/** Decides whether a message of revision 2026-07-28 may pass to the server. */
export class Gate {
  readonly #tools = new ToolHeaders();
  #supported: readonly string[] | undefined;

  /**
   * Reads what the server says about itself in the answer to a request: the revisions that it speaks, and the
   * header fields of its tools.
   */
  learn(method: string, answer: Message): void {
    if (method === "tools/list") this.#tools.learn(answer);
    if (method === "server/discover") this.#supported = modernVersionsOf(answer) ?? this.#supported;
  }

  /** Why a message does not pass. `undefined`: it passes. The order of the checks is the SDK's. */
  async check(request: Request, message: Message): Promise<Refusal | undefined> {
    const { classifyInboundRequest } = await loadSdk();
    const version = request.headers.get("mcp-protocol-version");
    const method = request.headers.get("mcp-method");
    const route = classifyInboundRequest({
      httpMethod: request.method,
      body: message.value,
      ...(version !== null && { protocolVersionHeader: version }),
      ...(method !== null && { mcpMethodHeader: method }),
    });
    if (route.kind === "reject") return route;
    if (route.kind === "legacy") return this.#refuseLegacy(route);
    const { revision } = route.classification;
    if (!this.#speaks(revision)) return this.#unsupported(revision);
    if (!hasOneReading(message.text)) return ambiguous;
    if (!isRequest(message)) return undefined;
    if (message.value.method === "notifications/cancelled") return noSuchRequest;
    return checkStandardHeaders(request, message) ?? this.#tools.check(request, message);
  }

  /** A server that has not been asked what it speaks answers for itself. */
  #speaks(revision: string | undefined): boolean {
    return isModernVersion(revision) && (this.#supported?.includes(revision ?? "") ?? true);
  }

  #unsupported(requested: string | undefined): Refusal {
    const supported = this.#supported ?? [firstModernVersion];
    const told = requested ?? "the request did not name a protocol version";
    return {
      httpStatus: 400,
      code: errorCodes.unsupportedVersion,
      message: `Unsupported protocol version: ${told}`,
      data: requested === undefined ? { supported } : { supported, requested },
    };
  }

  /** What an endpoint of revision 2026-07-28 alone answers to a message of an earlier one. */
  #refuseLegacy({ reason, requestedVersion }: Sdk.InboundLegacyRoute): Refusal {
    if (reason !== "response") return this.#unsupported(requestedVersion);
    return {
      httpStatus: 400,
      code: errorCodes.invalidRequest,
      message: "Bad Request: JSON-RPC responses cannot be posted to this endpoint",
    };
  }
}

/**
 * The revisions from 2026-07-28 on that a server names in its answer to `server/discover`, or in the error
 * that refuses the revision of the question. `undefined`: it names none.
 */
export function modernVersionsOf({ value }: Message): readonly string[] | undefined {
  const { result, error } = value;
  let versions: unknown;
  if (isObject(result)) versions = result["supportedVersions"];
  else if (isObject(error) && error["code"] === errorCodes.unsupportedVersion && isObject(error["data"]))
    versions = error["data"]["supported"];
  if (!Array.isArray(versions)) return undefined;
  const modern = versions.filter((version): version is string => isModernVersion(version));
  return modern.length > 0 ? modern : undefined;
}
