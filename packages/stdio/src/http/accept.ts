/**
 * Whether the visitor says that it takes `text/event-stream`. MCP wants every client to name it. Programs
 * such as curl send only wildcards, and get JSON.
 */
export function namesEventStream(request: Request): boolean {
  return acceptedTypes(request).includes("text/event-stream");
}

/** Whether the visitor can take `text/event-stream`, by a wildcard or for want of an Accept field too. */
export function allowsEventStream(request: Request): boolean {
  const types = acceptedTypes(request);
  return types.length === 0 || types.some((type) => ["text/event-stream", "text/*", "*/*"].includes(type));
}

function acceptedTypes(request: Request): string[] {
  const accept = request.headers.get("Accept") ?? "";
  return accept
    .split(",")
    .map((range) => range.split(";", 1)[0]!.trim().toLowerCase())
    .filter((type) => type !== "");
}
