import { messageOf } from "mcp-tunnel-shared";
import { FilterError } from "../query/filters.js";

/** Why a request gets no answer of the API. The message says what to do. */
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

/** The problem that an error stands for. Lower rooms throw errors of their own, with a status and a code. */
export function problemOf(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error;
  if (error instanceof FilterError) return new ApiProblem(400, "bad_filter", error.message);
  if (error instanceof Error && "status" in error && "code" in error) {
    const { status, code, message } = error;
    if (typeof status === "number" && typeof code === "string") return new ApiProblem(status, code, message);
  }
  return new ApiProblem(500, "internal", `a fault of the inspector: ${messageOf(error)}`);
}
