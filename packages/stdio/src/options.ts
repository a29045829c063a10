import {
  callback,
  checkOptions,
  listOf,
  milliseconds,
  oneOf,
  someObject,
  text,
  wholeNumber,
} from "mcp-tunnel-protocol";
import type { OnStdioEvent } from "./events.js";

/** Which revisions of MCP a server speaks. */
export const eras = ["auto", "legacy", "modern"] as const;
/**
 * - `auto`: the server is asked with `server/discover`, once
 * - `legacy`: revisions up to 2025-11-25, with sessions; the server is not asked
 * - `modern`: revision 2026-07-28; the server is not asked
 */
export type Era = (typeof eras)[number];

/** An MCP server that speaks over stdin and stdout, and the limits of the bridge to it. */
export interface StdioOptions {
  /** The program: a name on the PATH, or a path. It is started without a shell. */
  command: string;
  /** Its arguments. Default: none. */
  args?: readonly string[];
  /**
   * Variables that are added to the environment of this process. `undefined` takes one out. Variables whose
   * names begin with `MCP_TUNNEL_` are never passed on from this process, because they may hold the tunnel's
   * token. Default: none.
   */
  env?: Readonly<Record<string, string | undefined>>;
  /** Its working directory. Default: that of this process. */
  cwd?: string;
  /** Default `auto`. */
  era?: Era;
  /** Sessions, each with a process of its own, at the same time. More get 503. Default 32. */
  maxSessions?: number;
  /**
   * After how long without a request or an open stream a session ends, in milliseconds. Default 30 minutes.
   */
  sessionIdleMs?: number;
  /**
   * How long a process may take to answer the first request, in milliseconds: `npx` may have to download it.
   * Default 60,000.
   */
  startTimeoutMs?: number;
  /** How long the answer to `server/discover` is waited for, in milliseconds. Default 5,000. */
  probeTimeoutMs?: number;
  /** The longest message, in bytes, of a visitor (413) and of a server (it is ended). Default 32 MiB. */
  maxMessageBytes?: number;
  /**
   * Bytes of visitors' messages that are being received, over all requests. More get 503, but for messages of
   * up to 64 KiB, for which there is an eighth more. Default 128 MiB.
   */
  maxReceivingBytes?: number;
  /**
   * Bytes of answers and events that visitors have not taken yet, over all requests. An answer beyond it
   * becomes an error, unless it has up to 4 KiB, and a stream of events is cut. Default 128 MiB.
   */
  maxUnreadBytes?: number;
  /**
   * Messages of a server that wait for a visitor's GET stream, and events that are kept for `Last-Event-ID`,
   * for each session. Default 1,000 of either.
   */
  maxKeptMessages?: number;
  /** Bytes of either. Default 4 MiB. */
  maxKeptBytes?: number;
  /** The pause after which a comment is sent on an open stream, in milliseconds. Default 15,000. */
  keepAliveMs?: number;
  /** How long a process may take to end once its stdin is closed, in milliseconds. Default 2,000. */
  exitGraceMs?: number;
  /** How long after SIGTERM a process and its group get SIGKILL, in milliseconds. Default 5,000. */
  killGraceMs?: number;
  /**
   * The pause before a server is started again that has ended by itself, in milliseconds. It doubles with
   * each failure, up to the second number. Meanwhile requests get 503. Default 500 and 30,000.
   */
  minRestartDelayMs?: number;
  /** The longest such pause, in milliseconds. */
  maxRestartDelayMs?: number;
  /** Told of what the processes do and say. Default: nobody is told. */
  onEvent?: OnStdioEvent;
}

/** {@link StdioOptions}, complete. */
export type ResolvedStdioOptions = Required<StdioOptions>;

const shapes = {
  command: text("the name or the path of a program").refine(
    (value) => value !== "",
    "the name or the path of a program",
  ),
  args: listOf(text(), "an array of strings").optional(),
  env: someObject("an object of strings").optional(),
  cwd: text().optional(),
  era: oneOf(eras).optional(),
  maxSessions: wholeNumber(1).optional(),
  sessionIdleMs: milliseconds(0).optional(),
  startTimeoutMs: milliseconds(1).optional(),
  probeTimeoutMs: milliseconds(1).optional(),
  maxMessageBytes: wholeNumber(1).optional(),
  maxReceivingBytes: wholeNumber(1).optional(),
  maxUnreadBytes: wholeNumber(1).optional(),
  maxKeptMessages: wholeNumber(0).optional(),
  maxKeptBytes: wholeNumber(0).optional(),
  keepAliveMs: milliseconds(1).optional(),
  exitGraceMs: milliseconds(0).optional(),
  killGraceMs: milliseconds(0).optional(),
  minRestartDelayMs: milliseconds(0).optional(),
  maxRestartDelayMs: milliseconds(0).optional(),
  onEvent: callback().optional(),
} satisfies Record<keyof StdioOptions, unknown>;

/**
 * @throws TunnelError `invalid_option`, with a message that names the option, the given value and what the
 * option takes.
 */
export function resolveOptions(options: StdioOptions): ResolvedStdioOptions {
  checkOptions(options, shapes);
  return {
    command: options.command,
    args: options.args ?? [],
    env: options.env ?? {},
    cwd: options.cwd ?? process.cwd(),
    era: options.era ?? "auto",
    maxSessions: options.maxSessions ?? 32,
    sessionIdleMs: options.sessionIdleMs ?? 1_800_000,
    startTimeoutMs: options.startTimeoutMs ?? 60_000,
    probeTimeoutMs: options.probeTimeoutMs ?? 5_000,
    maxMessageBytes: options.maxMessageBytes ?? 33_554_432,
    maxReceivingBytes: options.maxReceivingBytes ?? 134_217_728,
    maxUnreadBytes: options.maxUnreadBytes ?? 134_217_728,
    maxKeptMessages: options.maxKeptMessages ?? 1_000,
    maxKeptBytes: options.maxKeptBytes ?? 4_194_304,
    keepAliveMs: options.keepAliveMs ?? 15_000,
    exitGraceMs: options.exitGraceMs ?? 2_000,
    killGraceMs: options.killGraceMs ?? 5_000,
    minRestartDelayMs: options.minRestartDelayMs ?? 500,
    maxRestartDelayMs: options.maxRestartDelayMs ?? 30_000,
    onEvent: unbreaking(options.onEvent ?? (() => {})),
  };
}

/** A program's callback that fails is that program's fault, and costs no visitor anything. */
function unbreaking(onEvent: OnStdioEvent): OnStdioEvent {
  return (event) => {
    try {
      onEvent(event);
    } catch (error) {
      // As Node does with what a program's own timer throws.
      queueMicrotask(() => {
        throw error;
      });
    }
  };
}
