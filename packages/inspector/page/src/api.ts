import { signal } from "@preact/signals";
import type { ApiError, StreamMessage } from "../../src/model.ts";
import { forgetSecret, secretOf } from "./secret.ts";

/** `refused`: the inspector does not know the secret, as it is of an earlier start. */
export const access = signal<"ok" | "missing" | "refused">("ok");

/** The API has said no, or could not be reached (code `unreachable`, status 0). */
export class ApiProblem extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, status: number, message: string) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

export interface ApiCall {
  readonly method?: "GET" | "POST" | "DELETE";
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

/** @throws ApiProblem for anything but an answer with a status below 400. */
export async function callApi(path: string, { method, body, signal }: ApiCall = {}): Promise<Response> {
  const secret = secretOf();
  if (secret === undefined) {
    access.value = access.peek() === "ok" ? "missing" : access.peek();
    throw new ApiProblem("no_secret", 401, "Open the URL that the terminal shows.");
  }
  const headers: Record<string, string> = { Authorization: `Bearer ${secret}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(`/api/${path}`, {
      method: method ?? "GET",
      headers,
      cache: "no-store",
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal !== undefined && { signal }),
    });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new ApiProblem("unreachable", 0, "The inspector does not answer. Is the client still running?");
  }
  if (response.ok) return response;
  // A secret that was taken meanwhile is not to blame.
  if (response.status === 401 && secretOf() === secret) {
    forgetSecret();
    access.value = "refused";
  }
  throw await problemOf(response);
}

export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await callApi(path, signal === undefined ? {} : { signal });
  return (await response.json()) as T;
}

export async function getText(path: string): Promise<string> {
  return (await callApi(path)).text();
}

/** @returns What the API answers as JSON; undefined for an answer without a body. */
export async function sendJson<T = undefined>(
  method: "POST" | "DELETE",
  path: string,
  body?: unknown,
): Promise<T> {
  const response = await callApi(path, { method, body });
  return (response.status === 204 ? undefined : await response.json()) as T;
}

/** Reads the stream of changes until it ends. Messages that came together are given together. */
export async function readStream(
  query: string,
  onMessages: (messages: readonly StreamMessage[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const response = await callApi(`stream${query}`, { signal });
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    const messages = lines.filter((line) => line !== "").map((line) => JSON.parse(line) as StreamMessage);
    if (messages.length > 0) onMessages(messages);
  }
}

async function problemOf(response: Response): Promise<ApiProblem> {
  try {
    const { code, message } = (await response.json()) as ApiError;
    return new ApiProblem(code, response.status, message);
  } catch {
    return new ApiProblem("unknown", response.status, `The inspector has answered ${response.status}.`);
  }
}

/** What to tell the user of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
