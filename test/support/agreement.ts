import { readFileSync } from "node:fs";

/** A field that says where the service is; `about` in test/vectors/agreement.json explains the members. */
interface AgreementVector<Expected> {
  readonly field: string;
  readonly value: string;
  readonly expect: Expected;
  readonly written?: string;
  readonly policy?: "keep" | "rewrite" | "drop";
  readonly origin: string;
}

export const agreementFile = JSON.parse(
  readFileSync(new URL("../vectors/agreement.json", import.meta.url), "utf8"),
) as { readonly answers: AgreementVector<string>[]; readonly requests: AgreementVector<string | null>[] };
