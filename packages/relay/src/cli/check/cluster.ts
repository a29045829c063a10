import type { Command } from "commander";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { Mistakes, optionKey, readSecret } from "mcp-tunnel-shared/command";
import { silentLogger } from "../../telemetry/log.js";
import { type ClusterCliOptions, peerTlsOf, readPem } from "../options/cluster-options.js";
import { certificateBlocks } from "./certificates.js";

/** Long enough for a secret of a cluster. It stands where another value is looked at. */
const anySecret = "x".repeat(64);

/** Nothing listens there: a member is made, and joins nothing. */
const anyPlace = { host: "127.0.0.1", port: 0 };

/**
 * Tells what the parts of a cluster do not take: the URL of Redis and the prefix of its keys, the secret, and
 * the certificates of the links. Nothing connects. The options have been read before.
 */
export async function checkClusterValues(command: Command, mistakes: Mistakes<TunnelError>): Promise<void> {
  const options = command.opts<ClusterCliOptions>();
  const { cluster: url, clusterPrefix: prefix } = options;
  if (url === undefined) return;
  const { createMember, MemoryEngine, RedisEngine } = await import("mcp-tunnel-cluster");
  const engine = new MemoryEngine();
  const trying = (names: readonly string[], make: () => unknown): void => {
    const found = new Mistakes(TunnelError);
    found.attempt(make);
    for (const { message } of found.all) mistakes.add(unusable(message, { options: names }));
  };
  const onWarning = (): void => {};
  trying(["cluster"], () => new RedisEngine({ url, onWarning }));
  if (prefix !== undefined)
    trying(["cluster-prefix"], () => new RedisEngine({ url: "redis://localhost", prefix, onWarning }));
  const member = { engine, listen: anyPlace, logger: silentLogger };
  const elsewhere = new Mistakes(TunnelError);
  // What is wrong with the files themselves is told elsewhere.
  const secret = elsewhere.attempt(() => readSecret(command, "cluster-secret", TunnelError));
  const tls = elsewhere.attempt(() => peerTlsOf(options));
  if (secret !== undefined)
    trying(["cluster-secret", "cluster-secret-file"], () => createMember({ ...member, secret }));
  if (tls !== undefined) {
    trying(["peer-tls-cert", "peer-tls-key"], () => createMember({ ...member, secret: anySecret, tls }));
  }
  for (const name of ["cluster-ca", "peer-tls-ca"]) {
    const path = command.getOptionValue(optionKey(name)) as string | undefined;
    if (path !== undefined) mistakes.attempt(() => checkAuthorities(name, path));
  }
  await engine.close();
}

/** @throws TunnelError `invalid_option`. A file that cannot be read is told elsewhere. */
function checkAuthorities(option: string, path: string): void {
  const text = new Mistakes(TunnelError).attempt(() => readPem(option, path));
  if (text === undefined || certificateBlocks(text).length > 0) return;
  throw unusable(`--${option} ${path} holds no certificate in PEM form`, { options: [option], file: path });
}
