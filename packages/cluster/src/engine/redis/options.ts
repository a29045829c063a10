import { TunnelError } from "mcp-tunnel-protocol";
import type { EngineTimes } from "../engine.js";

/** Where Redis or Valkey is, and how the relays use it. */
export interface RedisOptions {
  /**
   * `redis://host:port/database`, or `rediss://` for TLS. The port is 6379 and the database 0 if they are
   * left out.
   *
   * With Sentinel: `redis+sentinel://host:port,host:port,host:port/master`, or `rediss+sentinel://`, where
   * the hosts are those of the sentinels (port 26379 if left out), and `master` is the name under which they
   * watch the servers. `/master/database` chooses a database.
   *
   * A user and a password may stand before the host: `redis://user:password@host`. They are in percent
   * encoding there. {@link user} and {@link password} come first.
   */
  readonly url: string;
  /** Default: that of the URL, else `default`. */
  readonly user?: string | undefined;
  /** Default: that of the URL, else none. */
  readonly password?: string | undefined;
  /** What the sentinels themselves ask for. Default: none. */
  readonly sentinelPassword?: string | undefined;
  /** Certificates in PEM that are trusted with TLS. Default: those that Node.js trusts. */
  readonly ca?: string | undefined;
  /**
   * Stands in all keys, and sets clusters apart that share a server: letters, digits, `.`, `_` and `-`.
   * Default `mcp-tunnel`.
   */
  readonly prefix?: string | undefined;
  /** The times that are not the defaults. */
  readonly times?: Partial<EngineTimes>;
  /**
   * Told of what an operator should know, as one line of text: connections lost, data that cannot be read.
   */
  readonly onWarning: (warning: string) => void;
}

export interface Server {
  readonly host: string;
  readonly port: number;
}

/** The options, checked and complete. */
export interface RedisPlace {
  readonly servers: readonly Server[];
  /** The servers are sentinels, which know the primary under this name. */
  readonly master: string | undefined;
  readonly database: number;
  readonly isTls: boolean;
  readonly ca: string | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly sentinelPassword: string | undefined;
  readonly prefix: string;
}

/** WHATWG's URL takes one host alone, and Sentinel needs several. */
const urlForm = /^redis(s?)(\+sentinel)?:\/\/(?:([^@/?#]*)@)?([^@/?#]+)(?:\/([^?#]*))?$/;
const serverForm = /^(?:\[([\d:.a-f]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/i;
const example = "redis://redis.example:6379, or redis+sentinel://one.example,two.example,three.example/main";

/** @throws TunnelError `invalid_option`. Its message does not tell the URL, which may hold a password. */
export function redisPlace(options: Omit<RedisOptions, "times" | "onWarning">): RedisPlace {
  const [, s, sentinel, credentials, hosts, path = ""] = urlForm.exec(options.url) ?? [];
  if (hosts === undefined) throw invalid(`the URL of Redis (--cluster) does not have the form of ${example}`);
  const { user, password } = credentialsOf(credentials);
  const parts = path === "" ? [] : path.split("/").map(decoded);
  const master = sentinel === undefined ? undefined : parts.shift();
  if (sentinel !== undefined && (master === undefined || master === "")) {
    throw invalid(
      `the URL of the sentinels ends without the name of what they watch; the form is ${example}`,
    );
  }
  const [database = "0", ...rest] = parts;
  if (!/^\d{1,5}$/.test(database) || rest.length > 0) {
    throw invalid("what stands last in the URL of Redis is not the number of a database, such as 0");
  }
  const prefix = options.prefix ?? "mcp-tunnel";
  if (!/^[\w.-]{1,64}$/.test(prefix)) {
    throw invalid("the prefix of the keys in Redis is not of 1 to 64 letters, digits, '.', '_' and '-'");
  }
  const defaultPort = sentinel === undefined ? 6_379 : 26_379;
  const servers = hosts.split(",").map((text) => serverOf(text, defaultPort));
  if (master === undefined && servers.length > 1) {
    throw invalid("the URL of Redis names several servers; only redis+sentinel:// takes more than one");
  }
  return {
    servers,
    master,
    database: Number(database),
    isTls: s === "s",
    ca: options.ca,
    user: options.user ?? user,
    password: options.password ?? password,
    sentinelPassword: options.sentinelPassword,
    prefix,
  };
}

/** A server as messages name it. */
export function nameOf({ host, port }: Server): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function credentialsOf(text: string | undefined): { user?: string; password?: string } {
  if (text === undefined || text === "") return {};
  const colon = text.indexOf(":");
  const user = decoded(colon === -1 ? text : text.slice(0, colon));
  return {
    ...(user === "" ? {} : { user }),
    ...(colon === -1 ? {} : { password: decoded(text.slice(colon + 1)) }),
  };
}

function serverOf(text: string, defaultPort: number): Server {
  const [, v6, name, port] = serverForm.exec(text) ?? [];
  const host = v6 ?? name;
  const number = port === undefined ? defaultPort : Number(port);
  if (host === undefined || number === 0 || number > 65_535) {
    throw invalid(`the URL of Redis has "${text}" where a host and its port should stand`);
  }
  return { host, port: number };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid("the URL of Redis has a '%' without the two digits of percent encoding: write it as %25");
  }
}

function invalid(message: string): TunnelError {
  return new TunnelError("invalid_option", message);
}
