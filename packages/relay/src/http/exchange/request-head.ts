import { type Carries, endToEndHeaders, headerValue, type RequestHead } from "mcp-tunnel-protocol";
import type { VisitorRequest } from "../message.js";
import type { ExchangeRequest } from "./request.js";

/** The head of a visitor's request as it goes to the client, over a route that `carries` this much. */
export function requestHead(req: VisitorRequest, request: ExchangeRequest, carries: Carries): RequestHead {
  const { path, visitor, body, upgrade } = request;
  const headers = endToEndHeaders(req.rawHeaders, visitor.drop);
  for (const field of visitor.add) headers.push(field);
  const isUpgrade = upgrade !== undefined && carries.upgrades;
  if (isUpgrade) headers.push("Connection", "Upgrade", "Upgrade", upgrade.protocol);
  const trailer = carries.trailers ? headerValue(req.rawHeaders, "trailer") : undefined;
  if (trailer !== undefined && body.contentLength === undefined) headers.push("Trailer", trailer);
  return { method: req.method ?? "GET", path, headers, upgrade: isUpgrade };
}
