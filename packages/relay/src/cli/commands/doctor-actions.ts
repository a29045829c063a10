import { styleText } from "node:util";
import type { Command } from "commander";
import { printableJson } from "mcp-tunnel-shared";
import { examineAll, stepLines, summaryLine, type Verdict } from "mcp-tunnel-shared/command";
import { examinationsOf } from "../doctor/examinations.js";
import { surroundings } from "../doctor/surroundings.js";
import { writeLine } from "../output/output.js";

const colors = { ok: "green", warning: "yellow", failed: "red", skipped: "dim" } as const;

/** Prints each step when it is over, or all as JSON at the end. Sets the exit status. */
export async function examine(command: Command, isJson: boolean): Promise<void> {
  const { isTTY, columns } = process.stdout;
  const isColored = isTTY && (process.env["NO_COLOR"] ?? "") === "";
  const paint = (verdict: Verdict, word: string): string =>
    isColored ? styleText(colors[verdict], word) : word;
  const look = { paint, ...(columns === undefined ? {} : { width: columns }) };
  const report = await examineAll(await examinationsOf(command, surroundings()), (step) => {
    // Not by `writeLine`, which would escape the colours: the lines of a step are escaped already.
    if (!isJson) process.stdout.write(`${stepLines(step, look).join("\n")}\n`);
  });
  writeLine(isJson ? printableJson(report, 2) : `\n${summaryLine(report)}`);
  if (report.verdict === "failed") process.exitCode = 1;
}
