import { onlyObjectOf, passing, text, versionForm } from "mcp-tunnel-protocol";

/** The client's command, packed for npm. */
export interface ClientPackage {
  /** The command's version, such as `0.1.0`. */
  readonly version: string;
  /** The archive: a gzipped tar file, as `npm pack` makes it. */
  readonly file: Uint8Array;
}

export const clientPackageShape = onlyObjectOf<ClientPackage>({
  version: text().refine((version) => versionForm.test(version), "a version such as 1.2.3"),
  file: passing((value) => value instanceof Uint8Array && value.length > 0, "the bytes of an archive"),
});

/**
 * The package of the client that was built with this relay, as the command `mcp-tunnel` hands it out;
 * `undefined` when this relay was built without it (by `tsc` alone). Its bytes are the same in all relays
 * that were built from the same sources: it knows no relay.
 */
export async function builtClientPackage(): Promise<ClientPackage | undefined> {
  try {
    const { version, base64 } = await import("#built-client");
    return { version, file: Buffer.from(base64, "base64") };
  } catch {
    return undefined;
  }
}
