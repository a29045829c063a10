import { type Signal, signal } from "@preact/signals";
import type { TabSecret } from "./secret.ts";

/** The API has said no, or could not be reached (code `unreachable`, status 0). */
export class ApiProblem extends Error {
  readonly code: string;
  readonly status: number;
  /** The field of what was sent that is wrong, if the API names one. */
  readonly field: string | undefined;

  constructor(code: string, status: number, message: string, field?: string) {
    super(message);
    this.code = code;
    this.status = status;
    this.field = field;
  }
}

export interface ApiCall {
  readonly method?: "GET" | "POST" | "PATCH" | "DELETE";
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly signal?: AbortSignal;
  /** Tried in place of the tab's own. Empty: none is sent. */
  readonly secret?: string;
}

export interface Api {
  /** `refused`: the secret that the tab had is not right, or not any more. */
  readonly access: Signal<"ok" | "missing" | "refused">;
  /** @throws ApiProblem for anything but an answer with a status below 400. */
  readonly callApi: (path: string, call?: ApiCall) => Promise<Response>;
  readonly getJson: <T>(path: string, signal?: AbortSignal) => Promise<T>;
  /** @returns What the API answers as JSON; undefined for an answer without a body. */
  readonly sendJson: <T = undefined>(
    method: "POST" | "PATCH" | "DELETE",
    path: string,
    body?: unknown,
  ) => Promise<T>;
}

export interface ApiOptions {
  readonly secret: TabSecret;
  /** What to tell the user when there is no secret. */
  readonly missing: string;
  /** The same when nobody answers. */
  readonly unreachable: string;
}

/** The API of the page's own origin, below `/api/`. */
export function createApi({ secret: own, missing, unreachable }: ApiOptions): Api {
  const access = signal<"ok" | "missing" | "refused">("ok");

  async function callApi(path: string, call: ApiCall = {}): Promise<Response> {
    const { method = "GET", body, signal, secret = own.value } = call;
    if (secret === undefined) {
      access.value = access.peek() === "ok" ? "missing" : access.peek();
      throw new ApiProblem("no_secret", 401, missing);
    }
    const headers: Record<string, string> = {};
    if (secret !== "") headers["Authorization"] = `Bearer ${secret}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let response: Response;
    try {
      response = await fetch(`/api/${path}`, {
        method,
        headers,
        cache: "no-store",
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(signal !== undefined && { signal }),
      });
    } catch (error) {
      if (signal?.aborted === true) throw error;
      throw new ApiProblem("unreachable", 0, unreachable);
    }
    if (response.ok) return response;
    // A secret that was taken meanwhile is not to blame.
    if (response.status === 401 && own.value === secret) {
      own.forget();
      access.value = "refused";
    }
    throw await problemOf(response);
  }

  return {
    access,
    callApi,
    async getJson(path, signal) {
      const response = await callApi(path, signal === undefined ? {} : { signal });
      return await response.json();
    },
    async sendJson(method, path, body) {
      const response = await callApi(path, { method, body });
      return response.status === 204 ? undefined : await response.json();
    },
  };
}

async function problemOf(response: Response): Promise<ApiProblem> {
  const { status } = response;
  try {
    const { code = "unknown", message, error, field } = (await response.json()) as Record<string, string>;
    return new ApiProblem(code, status, message ?? error ?? `The answer was ${status}.`, field);
  } catch {
    return new ApiProblem("unknown", status, `The answer was ${status}.`);
  }
}

/** What to tell the user of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
