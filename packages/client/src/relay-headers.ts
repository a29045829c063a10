import { AnySpelling, hopByHop, isFieldValue, isToken, passing, unusable } from "mcp-tunnel-protocol";

/** Fields by names. An object of another class, such as `Headers`, would seem to hold none. */
export const headersShape = passing<Readonly<Record<string, string>>>((value) => {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  const isPlain = prototype === Object.prototype || prototype === null;
  return isPlain && Object.values(value).every((one) => typeof one === "string");
}, "an object of strings, such as { 'X-Token': 'secret' }");

/**
 * Fields that the handshake has itself (RFC 6455 section 4.1), that say where it goes, or that speak of a
 * body. A relay takes whoever sends `Origin` for a web page. Fields of a single connection are refused
 * besides.
 */
const ownFields = new AnySpelling(
  ["host", "content-length", "expect", "origin"],
  ["sec-websocket-", "x-tunnel-"],
);

/**
 * Checks header fields for the handshake with the relay. `option`: the option that has them, for messages. No
 * message has a value in it.
 * @throws TunnelError `invalid_option`.
 */
export function checkRelayHeaders(
  headers: Readonly<Record<string, string>>,
  option = "relayHeaders",
): Readonly<Record<string, string>> {
  const seen = new Set<string>();
  for (const [name, value] of Object.entries(headers)) {
    const fault = faultOf(name, value) ?? (seen.has(name.toLowerCase()) ? "is there twice" : undefined);
    seen.add(name.toLowerCase());
    // A name that is none may be a secret, too.
    const field = isToken(name) ? `the field '${name}'` : "a field";
    if (fault !== undefined) throw unusable(`${option}: ${field} ${fault}`, { options: [option] });
  }
  return { ...headers };
}

function faultOf(name: string, value: string): string | undefined {
  if (!isToken(name)) return "has a name that is none: letters, digits and hyphens";
  if (hopByHop.has(name)) return "cannot be given: it belongs to a single connection";
  if (ownFields.has(name))
    return "cannot be given: the client writes it itself, or the relay would refuse it";
  if (!isFieldValue(value)) return "has a value with a character that no field may have";
  return undefined;
}
