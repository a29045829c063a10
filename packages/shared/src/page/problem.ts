import { messageOf } from "../errors.js";

/** Why a request gets no answer of a page's API. The message says what to do. */
export class ApiProblem extends Error {
  override readonly name = "ApiProblem";
  readonly status: number;
  readonly code: string;
  /** Further fields of the answer. */
  readonly fields: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, fields: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.fields = fields;
  }
}

/**
 * The problem that an error stands for. Code that knows no page throws errors of its own, with a status and a
 * code. Any other error is a fault of `program`: `the inspector`.
 */
export function problemOf(error: unknown, program: string): ApiProblem {
  if (error instanceof ApiProblem) return error;
  if (error instanceof Error && "status" in error && "code" in error) {
    const { status, code, message } = error;
    if (typeof status === "number" && typeof code === "string") return new ApiProblem(status, code, message);
  }
  return new ApiProblem(500, "internal", `a fault of ${program}: ${messageOf(error)}`);
}
