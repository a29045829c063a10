import { type JsonNode, memberOf, readJson } from "../parts/json-text.ts";
import type { Control, FormField } from "./schema.ts";

/** Texts of controls by the ids of their fields. A field without one is left out. */
export type Draft = ReadonlyMap<string, string>;

/** What each field shows first. */
export function draftOf(fields: readonly FormField[]): Map<string, string> {
  const draft = new Map<string, string>();
  for (const { id, control, initial } of fields) {
    if (initial !== undefined) draft.set(id, initial);
    if (control.kind === "group") for (const [key, text] of draftOf(control.fields)) draft.set(key, text);
  }
  return draft;
}

/** The arguments as JSON text, and what is wrong with them, by the ids of the fields. */
export interface Written {
  readonly json: string;
  readonly problems: ReadonlyMap<string, string>;
}

export function writeFields(fields: readonly FormField[], draft: Draft): Written {
  const problems = new Map<string, string>();
  const members: string[] = [];
  for (const field of fields) {
    const written = writeField(field, draft, problems);
    if (written !== undefined) members.push(`${JSON.stringify(field.name)}:${written}`);
  }
  return { json: `{${members.join(",")}}`, problems };
}

function writeField(field: FormField, draft: Draft, problems: Map<string, string>): string | undefined {
  const { id, control, required } = field;
  if (control.kind === "group") {
    const isGiven = required || draft.has(id) || control.fields.some((part) => draft.has(part.id));
    if (!isGiven) return undefined;
    const group = writeFields(control.fields, draft);
    for (const [key, problem] of group.problems) problems.set(key, problem);
    return group.json;
  }
  const text = draft.get(id);
  if (text === undefined) {
    if (required && control.kind === "list") return "[]";
    if (required && control.kind === "text") return '""';
    if (required) problems.set(id, control.kind === "choice" ? "Choose a value." : "A value is needed.");
    return undefined;
  }
  const value = writeValue(control, text);
  if ("problem" in value) problems.set(id, value.problem);
  return "problem" in value ? undefined : value.json;
}

function writeValue(
  control: Exclude<Control, { kind: "group" }>,
  text: string,
): { json: string } | { problem: string } {
  switch (control.kind) {
    case "text":
      return { json: JSON.stringify(text) };
    case "choice":
      return { json: text };
    case "number":
      return writeNumber(control, text.trim());
    case "list": {
      const lines = text.split("\n").filter((line) => line !== "");
      if (control.of === "text") return { json: JSON.stringify(lines) };
      const integer = control.of === "integer";
      const numbers = lines.map((line) => writeNumber({ integer }, line.trim()));
      const wrong = numbers.find((number) => "problem" in number);
      return wrong ?? { json: `[${numbers.map((number) => "json" in number && number.json).join(",")}]` };
    }
    case "json": {
      const reading = readJson(text);
      return "node" in reading ? { json: text } : { problem: "This is not JSON. A text needs quotes." };
    }
  }
}

/** The number stays as it was typed: it may be longer than what a double holds. */
function writeNumber(
  { integer, min, max }: { integer: boolean; min?: number; max?: number },
  text: string,
): { json: string } | { problem: string } {
  const reading = readJson(text);
  if (!("node" in reading) || reading.node.kind !== "number") {
    return { problem: `${JSON.stringify(text)} is not a number.` };
  }
  const value = Number(text);
  if (integer && !Number.isInteger(value)) return { problem: "A whole number is needed." };
  if (min !== undefined && value < min) return { problem: `At least ${min}.` };
  if (max !== undefined && value > max) return { problem: `At most ${max}.` };
  return { json: text };
}

/** The message with other arguments; all else stays as it was written. */
export function withArguments(message: JsonNode, json: string): string | undefined {
  return replaceMember(message, "params", (params) => replaceMember(params, "arguments", () => json));
}

function replaceMember(
  node: JsonNode | undefined,
  key: string,
  replace: (value: JsonNode | undefined) => string | undefined,
): string | undefined {
  if (node !== undefined && node.kind !== "object") return undefined;
  const replaced = replace(memberOf(node, key));
  if (replaced === undefined) return undefined;
  const others = (node?.members ?? []).filter((member) => member.key !== key);
  const members = [
    ...others.map((member) => [member.key, member.value.raw] as const),
    [key, replaced] as const,
  ];
  return `{${members.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(",")}}`;
}
