import { TunnelError } from "../errors.js";

/**
 * The peer went against PROTOCOL.md: the session ends with 1002. A class of its own, so that an error with the same
 * code out of a stream's handler stays that handler's fault.
 */
export class Violation extends TunnelError {
  constructor(message: string) {
    super("protocol_error", message);
  }
}
