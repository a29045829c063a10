import type { Command } from "commander";
import { isName } from "mcp-tunnel-protocol";
import { parseStaticToken } from "../../auth/static.js";
import type { CliOptions } from "../options/options.js";
import { type OptionProblem, problemAt } from "../options/problems.js";

/**
 * Mistakes in the token file, and patterns of tokens that no name fits. The options have been read before.
 * `hasFile`: the token file is there, and can be read.
 */
export async function tokenProblems(command: Command, hasFile: boolean): Promise<OptionProblem[]> {
  const { staticToken = [], tokenFile } = command.opts<CliOptions>();
  const idle = staticToken.flatMap((text, i) =>
    uselessPatterns(parseStaticToken(text).subdomains).map(
      (pattern): OptionProblem => ({
        ...uselessPattern(`static token ${i + 1} of ${staticToken.length}`, pattern),
        options: ["static-token"],
        file: text,
      }),
    ),
  );
  return tokenFile === undefined || !hasFile ? idle : [...idle, ...(await fileProblems(tokenFile))];
}

/** The libraries for YAML are loaded for a token file alone. */
async function fileProblems(path: string): Promise<OptionProblem[]> {
  const { readRegularFileSync } = await import("mcp-tunnel-config/files");
  const { YamlFile } = await import("mcp-tunnel-config");
  const { parseTokenList, tokenId } = await import("../../auth/token-list.js");
  const text = readRegularFileSync(path);
  const read = parseTokenList(text);
  if ("problems" in read) return read.problems.map((problem) => problemAt("token file", path, problem));
  const file = new YamlFile(text);
  return read.value.flatMap(({ sha256, subdomains }, i) =>
    subdomains.flatMap((pattern, j): OptionProblem[] => {
      if (fitsSomeName(pattern)) return [];
      const line = file.lineAt(["tokens", i, "subdomains", j]);
      const { reason, ...rest } = uselessPattern(`token ${tokenId(sha256)}`, pattern);
      return [{ ...problemAt("token file", path, { line, message: reason }), ...rest }];
    }),
  );
}

function uselessPatterns(patterns: readonly string[]): string[] {
  return patterns.filter((pattern) => !fitsSomeName(pattern));
}

/** A name begins and ends with a letter or a digit, so a pattern may not end in a hyphen. */
function fitsSomeName(pattern: string): boolean {
  return isName(pattern.toLowerCase().replace("*", "a"));
}

function uselessPattern(
  whose: string,
  pattern: string,
): Pick<OptionProblem, "verdict" | "reason" | "advice" | "mayPass"> {
  return {
    verdict: "failed",
    reason: `no name fits '${pattern}' of the ${whose}`,
    advice: "A name begins and ends with a letter or a digit.",
    mayPass: true,
  };
}
