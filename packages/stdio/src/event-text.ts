import type { ProcessPurpose, StdioEvent } from "./events.js";

const purposes: Record<ProcessPurpose, string> = {
  session: "started for a session",
  shared: "started for requests without a session",
  probe: "started to ask which revisions it speaks",
};

/**
 * An event in words, for the person at a terminal, who has seen the lines of stderr as they came. Servers'
 * own words are in it as they are.
 */
export function eventText(event: StdioEvent): string {
  switch (event.type) {
    case "started":
      return purposes[event.purpose];
    case "stderr":
      return event.line;
    case "stray":
      return `wrote to stdout what is no message: ${event.line}`;
    case "ended":
    case "failed":
    case "notice":
      return event.message;
  }
}
