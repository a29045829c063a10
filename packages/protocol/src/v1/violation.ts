import { TunnelError } from "../errors.js";

/**
 * The peer went against PROTOCOL.md: the session ends with 1002. Violations have a class of their own, so
 * that an error with the same code from a stream's handler counts as that handler's fault.
 */
export class Violation extends TunnelError {
  constructor(message: string) {
    super("protocol_error", message);
  }
}
