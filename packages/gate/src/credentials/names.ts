import { unusable } from "mcp-tunnel-protocol";
import { printable } from "mcp-tunnel-shared";

const maxNameLength = 200;

/**
 * Checks the name of a key or a user. `what` it is, for the message.
 * @throws TunnelError `invalid_option`.
 */
export function checkName(name: string, what: string, options: readonly string[]): void {
  if (name === "") throw unusable(`${what} is empty`, { options });
  if (name.length > maxNameLength) {
    throw unusable(`${what} is longer than ${maxNameLength} characters`, { options });
  }
  if (/\p{Cc}/u.test(name)) {
    throw unusable(`${what}, '${printable(name)}', has a control character`, { options });
  }
}
