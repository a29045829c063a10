import type { IncomingMessage } from "node:http";
import { visitorField } from "mcp-tunnel-protocol";

const field = visitorField.toLowerCase();

/**
 * The visitor's address as whoever mounts the gate says it. Without one there is no limit for each address,
 * and the limits for all hold.
 */
export function addressOf(req: IncomingMessage | undefined): string | undefined {
  const address = req?.headers[field];
  return typeof address === "string" && address !== "" ? address : undefined;
}
