import type { SharedStore } from "mcp-tunnel-cluster/relay";
import type { Logger } from "../../telemetry/log.js";
import type { Certificates } from "../certificates.js";
import { ClusterStore } from "./cluster-store.js";
import { FolderStore } from "./folder-store.js";
import type { ResolvedAcmeOptions } from "./options.js";
import { AcmeRenewal } from "./renewal.js";

/**
 * What gets the relay's certificate, and keeps it in a folder, or where all relays of a cluster find it
 * (`shared`). A relay that follows another process reads the folder of that process.
 */
export function acmeRenewal(
  domain: string,
  options: ResolvedAcmeOptions,
  shared: SharedStore | undefined,
  certificates: Certificates,
  logger: Logger,
): AcmeRenewal {
  const kept =
    shared === undefined || options.follows !== undefined
      ? new FolderStore(options)
      : new ClusterStore(shared, options.directory);
  return new AcmeRenewal(domain, options, kept, certificates, logger);
}
