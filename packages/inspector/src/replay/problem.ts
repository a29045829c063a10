/** Why nothing is sent. `status` and `code` are those of the API's answer. The message says what to do. */
export class ReplayProblem extends Error {
  override readonly name = "ReplayProblem";
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export function badRequest(message: string): ReplayProblem {
  return new ReplayProblem(400, "bad_request", message);
}
