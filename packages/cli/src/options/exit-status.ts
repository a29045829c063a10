import type { TunnelError } from "mcp-tunnel-protocol";

/** Exit statuses, by why the command ended. `--help` lists them, too. */
export const exitStatus = { ended: 0, failed: 1, usage: 2, refused: 3, evicted: 4, hopeless: 5 } as const;

/**
 * The exit status for an error that ends the command. A file that cannot be read is a mistake, but an OpenID
 * provider that does not answer is none: the same command may work another time.
 */
export function statusOf({ code, file }: TunnelError): number {
  switch (code) {
    case "refused":
      return exitStatus.refused;
    case "evicted":
    case "taken":
      return exitStatus.evicted;
    case "invalid_option":
      return exitStatus.usage;
    case "unavailable":
      return file === undefined ? exitStatus.failed : exitStatus.usage;
    default:
      return exitStatus.failed;
  }
}
