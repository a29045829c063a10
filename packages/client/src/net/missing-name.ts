import { networkInterfaces } from "node:os";
import type { NetworkInterfaceInfo } from "node:os";

/** What {@link isMissingName} looks at, for tests. */
interface System {
  readonly platform: NodeJS.Platform;
  readonly interfaces: () => Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>;
}

/**
 * Whether an error says for good that the DNS does not have a name. Without a network, Linux says that no
 * name server answers (EAI_AGAIN), and macOS and Windows say of every name that there is none.
 */
export function isMissingName(
  error: Error,
  { platform, interfaces }: System = { platform: process.platform, interfaces: networkInterfaces },
): boolean {
  if ((error as NodeJS.ErrnoException).code !== "ENOTFOUND") return false;
  if (platform === "linux") return true;
  try {
    // A link-local address is there without any network (RFC 3927, RFC 4291 section 2.5.6).
    return Object.values(interfaces()).some((addresses = []) =>
      addresses.some(({ internal, address }) => !internal && !/^(?:169\.254\.|fe[89ab])/i.test(address)),
    );
  } catch {
    // This call needs a file descriptor, and the program may have used up its own.
    return false;
  }
}
