/** What a server's processes do, for the person who runs them. Visitors are not told. */
export type StdioEvent =
  /** A process was started. */
  | { readonly type: "started"; readonly process: number; readonly purpose: ProcessPurpose }
  /** A process has ended as it should. */
  | { readonly type: "ended"; readonly process: number; readonly message: string }
  /**
   * A process could not be started, or has ended before its time. `stderr`: the last lines of its standard
   * error, each of which was an event of its own. Left out if it was not started.
   */
  | {
      readonly type: "failed";
      readonly process: number;
      readonly code: string;
      readonly message: string;
      readonly stderr?: readonly string[];
    }
  /** A line of a process's standard error. */
  | { readonly type: "stderr"; readonly process: number; readonly line: string }
  /** A line of its standard output that is no message, and was passed to nobody. */
  | { readonly type: "stray"; readonly process: number; readonly line: string }
  /**
   * Something that the person should know, such as a process that has said nothing for a while. `process` is
   * left out if no number is known.
   */
  | { readonly type: "notice"; readonly process?: number; readonly message: string };

/**
 * What a process was started for: one session, all requests of revision 2026-07-28, or to ask what it speaks.
 */
export type ProcessPurpose = "session" | "shared" | "probe";

/** Called for each event. What it throws is an uncaught exception. */
export type OnStdioEvent = (event: StdioEvent) => void;
