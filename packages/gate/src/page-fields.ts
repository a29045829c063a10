import { AnySpelling, type RawHeaders, visitorField } from "mcp-tunnel-protocol";

/** Fields that say where a request was sent, and by whom. Those of the visitor do not count. */
const aboutVisits = new AnySpelling(["host", "forwarded"], ["x-forwarded-", "x-tunnel-"]);

/** The fields for the gate's own pages ({@link Gate.pages}), which believe what they say about the visit. */
export function pageFields(headers: RawHeaders, origin: string, address: string | undefined): RawHeaders {
  const kept = headers.filter((_, at) => !aboutVisits.has(headers[at - (at % 2)] as string));
  const { protocol, host } = new URL(origin);
  kept.push("Host", host, "X-Forwarded-Host", host, "X-Forwarded-Proto", protocol.slice(0, -1));
  if (address !== undefined) kept.push(visitorField, address);
  return kept;
}
