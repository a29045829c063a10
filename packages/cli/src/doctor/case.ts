import { rootCertificates } from "node:tls";
import type { CheckedRegistration, Service, TunnelClientOptions } from "mcp-tunnel-client";
import { registerUrl, resolveProxy, resolveToken } from "mcp-tunnel-client/options";
import { registrationPath } from "mcp-tunnel-protocol";
import { isLoopback } from "mcp-tunnel-shared";
import type { RelayClientOptions } from "../options/relay-options.js";
import type { TunnelSettings } from "../options/tunnel-options.js";
import type { IdleWatch } from "./idle.js";
import type { McpLook } from "./mcp-look.js";
import type { Trial } from "./trial.js";
import { Way } from "./way.js";
import type { Lookup } from "./way.js";

/** What the doctor is asked to look at. */
export interface DoctorSettings {
  /** The relay, and the name to ask for. */
  readonly relay: RelayClientOptions & Pick<TunnelClientOptions, "subdomain">;
  /** What is served; undefined: only the way is looked at. */
  readonly tunnel: Pick<TunnelSettings, "local" | "mcp" | "visitors"> | undefined;
  /** Where the local service answers MCP. */
  readonly mcpPath: string;
  /** The user has said where: then an MCP server has to be there. */
  readonly isMcpPathGiven: boolean;
  /** How long connections stay silent, in milliseconds. 0: that is not tried. */
  readonly idleMs: number;
}

/** Stands for the public URL as long as that is not known. No resolver knows it (RFC 6761 section 6.4). */
const unknownUrl = new URL("https://tunnel.invalid");

/** The settings of one run, and what its examinations have found out for the later ones. */
export class Case {
  readonly settings: DoctorSettings;
  /** The relay's URL with its path, as http or https. */
  readonly relayUrl: URL;
  /** One token for all that is asked: on an open relay, the name follows from it. */
  readonly token: string;
  /** Makes the connections to the relay. */
  readonly way: Way;
  /** Makes the connections to public URLs. */
  readonly #publicWay: Way;
  /** What a registration would get. */
  checked: CheckedRegistration | undefined;
  /** Why the relay does not take the token. */
  tokenRefusal: string | undefined;
  /** Why the relay could not be asked what a registration would get. */
  tooOld: string | undefined;
  /** What the relay's clock said, and when this machine's clock said what: milliseconds of the epoch. */
  clocks: { readonly relay: number; readonly own: number } | undefined;
  /** What is served, once it is open. The doctor closes it. */
  service: Service | undefined;
  /** What the processes of MCP servers have said of their trouble. */
  serverTrouble: string | undefined;
  /** Where MCP servers should answer in it. */
  mcpPaths: readonly string[] = [];
  /** What was seen there. */
  readonly looks = new Map<string, McpLook>();
  /** How many tools a client that has the name tells a visitor without any proof, by the paths. */
  readonly openTools = new Map<string, number | undefined>();
  /** The URL at which visitors are tried, once it is known. */
  publicUrl: URL | undefined;
  /** A client has the name. The doctor opens no tunnel of its own, and visits that client's. */
  isInUse = false;
  /** Aborted when the doctor is closed. */
  readonly closing = new AbortController();
  /** The doctor's own tunnel, from when it is asked for. */
  opening: Promise<Trial> | undefined;
  /** The same, once it is open. */
  trial: Trial | undefined;
  /** What becomes of connections that stay silent. */
  idle: IdleWatch | undefined;

  /** @throws TunnelError `invalid_option`. */
  constructor(settings: DoctorSettings, lookup: Lookup | undefined) {
    this.settings = settings;
    const { relayUrl, proxyUrl, relayTls, token } = settings.relay;
    const register = registerUrl(relayUrl).slice(0, -registrationPath.length);
    this.relayUrl = new URL(register.replace(/^ws/, "http"));
    this.token = resolveToken(token);
    const proxy = resolveProxy(proxyUrl);
    const ca = relayTls?.ca;
    this.way = new Way(proxy, lookup, ca === undefined ? undefined : [ca].flat());
    // Visitors believe the known authorities. One that is the relay's alone may be that of its tunnels, too.
    this.#publicWay =
      ca === undefined ? this.way : new Way(proxy, lookup, [...rootCertificates, ...[ca].flat()]);
  }

  /** The way to a public URL. A proxy is for other machines. */
  wayTo({ hostname }: URL): Way {
    return isLoopback(hostname) ? this.#publicWay.direct : this.#publicWay;
  }

  /** What a visitor would call the tunnel, or something in its place that nobody is called. */
  get assumedUrl(): URL {
    return this.publicUrl ?? unknownUrl;
  }

  /** A path of the relay itself. */
  relayPath(path: string): string {
    return this.relayUrl.pathname.replace(/\/$/, "") + path;
  }
}
