import { readFileSync } from "node:fs";
import { messageOf } from "../errors.js";
import { optionKey, type OptionValues, sourceName } from "./options.js";

/** The sources of values; a later one wins. */
const sources = ["default", "defaults", "config", "env", "cli"];

/** Details of an error of {@link readSecret}. */
interface SecretFault extends ErrorOptions {
  /** Names of options, as on the command line. */
  options: readonly string[];
  /** The path of the file. */
  file?: string;
}

/**
 * Reads a secret that is given as it is (`--NAME`) or in a file (`--NAME-file`), so that it need not stand in
 * the process list. The command line wins over the environment, and the environment over a config file. A
 * secret and a file from the same source exclude each other.
 * @throws Failure `invalid_option` for a secret and a file from the same source, and for an empty file;
 * `unavailable` for a file that cannot be read.
 */
export function readSecret(
  values: OptionValues,
  name: string,
  Failure: new (code: "invalid_option" | "unavailable", message: string, fault: SecretFault) => Error,
): string | undefined {
  const fileOption = `${name}-file`;
  const secret = values.getOptionValue(optionKey(name)) as string | undefined;
  const file = values.getOptionValue(optionKey(fileOption)) as string | undefined;
  if (file === undefined) return secret;
  const fileName = sourceName(values, fileOption);
  if (secret !== undefined) {
    const nearer = nearness(values, name) - nearness(values, fileOption);
    if (nearer > 0) return secret;
    if (nearer === 0) {
      const message = `${sourceName(values, name)} and ${fileName} exclude each other`;
      throw new Failure("invalid_option", message, { options: [name, fileOption] });
    }
  }
  let text: string;
  try {
    text = textOf(readFileSync(file)).trim();
  } catch (error) {
    const message = `cannot read ${fileName}: ${messageOf(error)}`;
    throw new Failure("unavailable", message, { cause: error, options: [fileOption], file });
  }
  if (text === "") {
    const message = `${fileName} ${file} is empty`;
    throw new Failure("invalid_option", message, { options: [fileOption], file });
  }
  return text;
}

function nearness(values: OptionValues, option: string): number {
  return sources.indexOf(values.getOptionValueSource(optionKey(option)) ?? "default");
}

/**
 * The text of a file that a person has written. Windows PowerShell's `>` and `Set-Content` write UTF-16 with
 * a byte order mark. A secret of UTF-8 cannot begin with one.
 */
function textOf(bytes: Buffer): string {
  const isUtf16 = bytes[0] === 0xff && bytes[1] === 0xfe;
  return bytes.toString(isUtf16 ? "utf16le" : "utf8").replace(/^\uFEFF/, "");
}
