import { TunnelError } from "mcp-tunnel-protocol";
import { type Mistakes, optionMistakes } from "mcp-tunnel-shared/command";

/** Several mistakes in the options of a command, told at once: each in a line of the message. */
export class OptionMistakes extends TunnelError {
  readonly mistakes: readonly TunnelError[];

  constructor(mistakes: readonly TunnelError[]) {
    const lines = mistakes.map(({ message }) => message);
    super("invalid_option", [optionMistakes, ...lines].join("\n"), {
      options: [...new Set(mistakes.flatMap(({ options = [] }) => options))],
    });
    this.mistakes = mistakes;
  }
}

/** @throws TunnelError the mistake that was gathered, or {@link OptionMistakes} if there are several. */
export function throwAll({ all }: Mistakes<TunnelError>): void {
  const [first] = all;
  if (first !== undefined) throw all.length === 1 ? first : new OptionMistakes(all.flatMap(mistakesIn));
}

/** The mistakes that an error tells. */
export function mistakesIn(error: TunnelError): readonly TunnelError[] {
  return error instanceof OptionMistakes ? error.mistakes : [error];
}
