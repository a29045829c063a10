import { mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { commands } from "../support/commands.js";

// The commands of a document, for a test that runs them as they are written.

export interface Block {
  line: number;
  marks: string[];
  text: string;
  /** The output of the command, if the document shows it. */
  shown: string | undefined;
}

export interface Fence {
  line: number;
  /** The language, and what follows it. */
  info: string[];
  text: string;
}

/** All blocks between fences, of any language. */
export function readFences(markdown: string): Fence[] {
  const fences: Fence[] = [];
  const lines = markdown.split("\n");
  for (let i = 0; i < lines.length; i++) {
    const [, indent = "", info] = /^( *)```(.*)$/.exec(lines[i] ?? "") ?? [];
    if (info === undefined) continue;
    const end = lines.indexOf(`${indent}\`\`\``, i + 1);
    fences.push({ line: i + 1, info: info.split(" "), text: lines.slice(i + 1, end).join("\n") });
    i = end;
  }
  return fences;
}

/** The shell blocks of the document, each with the output that follows it in its section. */
export function readBlocks(markdown: string): Block[] {
  const fences = readFences(markdown);
  return fences.flatMap(({ line, info: [language, ...marks], text }, i) => {
    if (language !== "sh") return [];
    const next = fences[i + 1];
    const between = markdown.split("\n").slice(line, next?.line);
    const isShown = next?.info[0] === "text" && !between.some((one) => one.startsWith("##"));
    return [{ line, marks, text, shown: isShown ? next.text : undefined }];
  });
}

/** A pattern for the shown text, in which `...` stands for anything. */
export function pattern(shown: string): RegExp {
  const escaped = shown.replaceAll(/[\\^$*+?.()|[\]{}]/g, String.raw`\$&`);
  return new RegExp(`^${escaped.replaceAll(String.raw`\.\.\.`, "[^]*").replaceAll(/ +/g, " +")}\\s*$`);
}

/** Programs that the document takes for granted: the commands as installed, and sudo. */
export function standIns(folder: string): { PATH: string } {
  const programs = join(folder, "bin");
  mkdirSync(programs);
  const write = (name: string, script: string): void => {
    writeFileSync(join(programs, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  };
  write("mcp-tunnel", `exec "${process.execPath}" "${commands.relay}" "$@"`);
  write("mcp-tunnel-client", `exec "${process.execPath}" "${commands.client}" "$@"`);
  write("sudo", '[ "$1" = -u ] && shift 2\nexec "$@"');
  return { PATH: [programs, process.env["PATH"]].join(delimiter) };
}
