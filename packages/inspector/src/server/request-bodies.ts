import { isObject } from "mcp-tunnel-shared";
import { ApiProblem } from "mcp-tunnel-shared/page";
import type { Field, ReplayRequest } from "../model.js";

/**
 * Reads the body of a replay. What an edit says is checked by the replay itself.
 * @throws ApiProblem `bad_request` for a value of another type
 */
export function readReplayRequest(value: unknown): ReplayRequest {
  const { confirmed, edit } = asObject(value, "the body", ["confirmed", "edit"]);
  return {
    ...(confirmed === undefined ? {} : { confirmed: asBoolean(confirmed, "confirmed") }),
    ...(edit === undefined ? {} : { edit: readEdit(edit) }),
  };
}

/** Reads the body of `POST /api/pause`. */
export function readPaused(value: unknown): boolean {
  return asBoolean(asObject(value, "the body", ["paused"])["paused"], "paused");
}

function readEdit(value: unknown): NonNullable<ReplayRequest["edit"]> {
  const { method, path, headers, body } = asObject(value, "edit", ["method", "path", "headers", "body"]);
  return {
    ...(method === undefined ? {} : { method: asText(method, "edit.method") }),
    ...(path === undefined ? {} : { path: asText(path, "edit.path") }),
    ...(headers === undefined ? {} : { headers: asFields(headers) }),
    ...(body === undefined ? {} : { body: asText(body, "edit.body") }),
  };
}

function asObject(value: unknown, name: string, known: readonly string[]): Record<string, unknown> {
  if (!isObject(value)) throw wrong(name, "an object");
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  if (unknown !== undefined) throw wrong(name, `an object with ${known.join(", ")} and nothing else`);
  return value;
}

function asBoolean(value: unknown, name: string): boolean {
  if (typeof value !== "boolean") throw wrong(name, "true or false");
  return value;
}

function asText(value: unknown, name: string): string {
  if (typeof value !== "string") throw wrong(name, "a text");
  return value;
}

function asFields(value: unknown): Field[] {
  if (!Array.isArray(value) || !value.every(isField)) {
    throw wrong("edit.headers", "an array of pairs of a name and a value");
  }
  return value;
}

function isField(value: unknown): value is Field {
  return Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === "string");
}

const wrong = (name: string, expected: string): ApiProblem =>
  new ApiProblem(400, "bad_request", `${name} has to be ${expected}`);
