import { readFileSync } from "node:fs";
import { unusable } from "mcp-tunnel-protocol";

/** A secret given as it is or in a file, so that it need not stand in the process list. */
export function readSecret(
  name: string,
  value: string | undefined,
  file: string | undefined,
): string | undefined {
  if (file === undefined) return value;
  if (value !== undefined) throw unusable(`--${name} and --${name}-file exclude each other`);
  let secret: string;
  try {
    secret = readFileSync(file, "utf8").trim();
  } catch (error) {
    throw unusable(`cannot read --${name}-file: ${(error as Error).message}`);
  }
  if (secret === "") throw unusable(`--${name}-file ${file} is empty`);
  return secret;
}
