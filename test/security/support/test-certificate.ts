import { createAuthority, createFolder } from "../../support/certificates.js";

/** A certificate for `localhost`, made at the first use. */
export interface TestCertificate {
  files(): Promise<{ cert: string; key: string }>;
  close(): void;
}

export function createTestCertificate(): TestCertificate {
  const folder = createFolder();
  let files: Promise<{ cert: string; key: string }> | undefined;
  const make = async (): Promise<{ cert: string; key: string }> => {
    const pair = await (await createAuthority()).issue(["localhost", "*.localhost", "127.0.0.1"]);
    return { cert: folder.write("cert.pem", pair.cert), key: folder.write("key.pem", pair.key) };
  };
  return {
    files: () => (files ??= make()),
    close: () => folder.close(),
  };
}
