import { unusable } from "mcp-tunnel-protocol";
import { isLoopbackAddress } from "mcp-tunnel-shared";

/** Where the operator's listener is, and who may use it. */
export interface AdminOptions {
  /** An IP address or a name of this machine. */
  host: string;
  /** 0 takes any free one. */
  port: number;
  /** The secret that `Authorization: Bearer` has to carry. Required when `host` is not a loopback address. */
  secret?: string | undefined;
  /**
   * Names besides its address by which browsers may reach the listener: `NAME` or `NAME:PORT`. Without a port
   * this is the listener's own, or the usual one of http or https. Requests to these names may come through a
   * proxy. Default none.
   */
  hosts?: readonly string[] | undefined;
  /** The token file that the relay follows. The API shows and edits its tokens. Default none. */
  tokenFile?: string | undefined;
}

/** A name by which browsers reach the listener. */
export interface AdminHost {
  /** In lower case; an address of IPv6 in brackets. */
  readonly name: string;
  readonly port: number | undefined;
}

/**
 * Reads `NAME` or `NAME:PORT`, as browsers write both in the field Host.
 * @throws TunnelError `invalid_option` when it is neither.
 */
export function parseAdminHost(text: string): AdminHost {
  const [, name, port] = /^(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::([0-9]{1,5}))?$/i.exec(text) ?? [];
  const number = port === undefined ? undefined : Number(port);
  const url = `http://${name}`;
  // A browser would write another spelling, such as 127.1, in its shortest form.
  if (name !== undefined && (number ?? 1) <= 65_535 && (number ?? 1) > 0 && URL.canParse(url)) {
    return { name: new URL(url).hostname, port: number };
  }
  throw unusable(
    `the name '${text}' is not one by which a browser reaches the admin listener: write a host, or a host and ` +
      "a port, such as admin.example.com or 10.0.0.11:9090",
    { options: ["admin-host"] },
  );
}

/**
 * Whether other machines could reach a listener at `host`, and nothing would keep them out. The command and
 * the library refuse it, each with the names of its own options.
 */
export function isOpenToOthers({ host, secret }: Pick<AdminOptions, "host" | "secret">): boolean {
  return secret === undefined && !isOwnName(host);
}

/**
 * Whether `host` means this machine to all programs. A name below `localhost` does so to browsers only. To
 * other programs it means what their resolver says.
 */
export function isOwnName(host: string): boolean {
  return host === "localhost" || isLoopbackAddress(host);
}
