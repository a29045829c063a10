import { ApiProblem } from "mcp-tunnel-shared/page";

/** A problem that has more to tell than its message. */
export class ToldProblem extends ApiProblem {
  /** Further members of the answer. */
  readonly more: object;

  constructor(status: number, code: string, message: string, more: object) {
    super(status, code, message);
    this.more = more;
  }
}
