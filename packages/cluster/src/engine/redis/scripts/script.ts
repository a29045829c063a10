import { createHash } from "node:crypto";
import { prelude } from "./prelude.js";

/** A script in Lua, as Redis knows it. */
export interface Script {
  /** What it does, for messages. */
  readonly name: string;
  readonly text: string;
  /** SHA-1 of the text, by which Redis finds a script that it has run before. */
  readonly sha: string;
}

export function script(name: string, body: string): Script {
  const text = `${prelude}\n${body.trim()}\n`;
  return { name, text, sha: createHash("sha1").update(text).digest("hex") };
}
