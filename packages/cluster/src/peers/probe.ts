import { randomBytes } from "node:crypto";
import { closeCodes } from "mcp-tunnel-protocol";
import type { NodeInfo } from "../engine/engine.js";
import { Dialer } from "./dialer.js";
import { spliceReply } from "./messages.js";
import { OpenSockets } from "./open-sockets.js";
import type { PeerLinksOptions } from "./peer-links.js";
import { clientOptions } from "./tls.js";

/**
 * Asks a relay of the cluster for a session that nobody has, as a relay with these options would. So each has
 * proved to the other that they share the secret, and the address leads to that relay.
 * @throws TunnelError `unavailable` with why the two do not work together, also after `signal`; `timeout`;
 * `invalid_option` for a `tls.ca` that is no certificate.
 */
export async function probeRelay(
  { id, address }: Pick<NodeInfo, "id" | "address">,
  {
    secret,
    tls,
    handshakeTimeoutMs = 5_000,
  }: Pick<PeerLinksOptions, "secret" | "tls" | "handshakeTimeoutMs">,
  signal: AbortSignal,
): Promise<void> {
  const options = {
    node: `probe-${randomBytes(8).toString("hex")}`,
    secret: Buffer.from(secret),
    tls: tls === undefined ? undefined : clientOptions(tls),
    handshakeTimeoutMs,
  };
  const request = { session: "", secret: "", address: "", isAtDomain: true };
  const call = { node: id, address, kind: "splice", request, answer: spliceReply } as const;
  const { link } = await new Dialer(options, new OpenSockets()).dial(call, signal);
  link.close(closeCodes.normal, "");
}
