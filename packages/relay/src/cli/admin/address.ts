import { InvalidArgumentError } from "commander";
import { withoutTrailing } from "mcp-tunnel-shared";
import { formatHostPort } from "../../net/host-port.js";
import { readHostPort } from "../options/values.js";

/** Reads `HOST:PORT` or a URL. An address that means "everywhere" becomes the loopback address. */
export function readAdminUrl(text: string): string {
  if (/^https?:\/\//.test(text)) {
    if (URL.canParse(text)) return withoutTrailing(text, "/");
    throw new InvalidArgumentError("Expected a URL such as https://relay.example.com:9090.");
  }
  const { host, port } = readHostPort(text);
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `http://${formatHostPort({ host: reachable, port })}`;
}
