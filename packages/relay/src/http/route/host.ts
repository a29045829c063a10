import { isLoopbackAddress } from "mcp-tunnel-shared";

/** The destination of a request, by its Host alone. */
export type HostResult =
  /** The name of a tunnel: exactly one label below the domain. It need not exist. */
  | { kind: "tunnel"; name: string }
  /** The domain itself. */
  | { kind: "base" }
  /** A host name that this relay does not serve. */
  | { kind: "foreign" }
  | { kind: "missing" }
  /** Several Host fields, a Host that is none, or an absolute target that names another host. */
  | { kind: "invalid" };

const missing: HostResult = { kind: "missing" };
const invalid: HostResult = { kind: "invalid" };
const foreign: HostResult = { kind: "foreign" };
const base: HostResult = { kind: "base" };

/** uri-host [":" port] (RFC 9110 section 7.2), names and addresses only: no userinfo, no percent-encoding. */
const grammar = /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{0,5})?$/;

/**
 * The host name in lower case without port and final dot; `undefined` when it does not follow the grammar.
 */
function hostName(value: string): string | undefined {
  const host = value.toLowerCase();
  if (!grammar.test(host)) return undefined;
  // The colons of an IPv6 address are in brackets.
  const port = host.indexOf(":", host.indexOf("]") + 1);
  const name = port === -1 ? host : host.slice(0, port);
  return name.endsWith(".") ? name.slice(0, -1) : name;
}

/**
 * Finds the tunnel that a request is for, or another {@link HostResult}. `target` is the request target as
 * received.
 */
export function parseHost(rawHeaders: readonly string[], target: string, domain: string): HostResult {
  const host = readHost(rawHeaders, target);
  if (typeof host !== "string") return host;
  if (host === domain) return base;
  const nameLength = host.length - domain.length - 1;
  if (nameLength < 1 || host[nameLength] !== "." || !host.endsWith(domain)) return foreign;
  const name = host.slice(0, nameLength);
  return name.includes(".") ? foreign : { kind: "tunnel", name };
}

/**
 * The same for a local port, which leads to the tunnel `name` alone. Nothing is chosen by the Host, but it
 * has to be an address of this machine or `localhost`. A page whose own name was made to point here (DNS
 * rebinding) sends that name, and would be of one origin with the service if it were answered. A name below
 * `localhost` is refused too, because for some programs it means what their resolver says.
 */
export function parseLocalHost(rawHeaders: readonly string[], target: string, name: string): HostResult {
  const host = readHost(rawHeaders, target);
  if (typeof host !== "string") return host;
  return host === "localhost" || isLoopbackAddress(host) ? { kind: "tunnel", name } : foreign;
}

/**
 * Finds the host in the raw header fields, because Node lets several Host fields through and shows only the
 * first. Two servers in a row that look at different ones could be led to different tunnels.
 */
function readHost(rawHeaders: readonly string[], target: string): string | HostResult {
  let value: string | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const field = rawHeaders[i] as string;
    if (field.length !== 4 || field.toLowerCase() !== "host") continue;
    if (value !== undefined) return invalid;
    value = rawHeaders[i + 1] as string;
  }
  if (value === undefined || value === "") return missing;
  const host = hostName(value);
  if (host === undefined) return invalid;

  const authority = targetAuthority(target);
  return authority !== undefined && hostName(authority) !== host ? invalid : host;
}

const absoluteForm = /^https?:\/\/([^/?#]*)/i;

/**
 * The authority of an absolute-form target (RFC 9112 section 3.2.2); `undefined` for the usual origin form.
 */
function targetAuthority(target: string): string | undefined {
  return target.startsWith("/") ? undefined : absoluteForm.exec(target)?.[1];
}

/**
 * The target in origin form. A target that has this form already stays byte for byte as received, and so does
 * the `*` of OPTIONS. An absolute http URL is converted. `undefined` for any other target.
 */
export function originForm(target: string, method: string): string | undefined {
  // A fragment is not sent (RFC 9112 section 3.2); readers differ about where such a path ends.
  if (target.includes("#")) return undefined;
  if (target.startsWith("/") || (target === "*" && method === "OPTIONS")) return target;
  const match = absoluteForm.exec(target);
  if (match === null) return undefined;
  const rest = target.slice(match[0].length);
  return rest.startsWith("/") ? rest : `/${rest}`;
}
