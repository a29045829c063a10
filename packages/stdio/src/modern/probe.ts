import { isObject } from "mcp-tunnel-shared";
import type { Backoff } from "../child/backoff.js";
import type { RequestMessage, ResponseMessage } from "../message.js";
import type { ResolvedStdioOptions } from "../options.js";
import type { PipeEnd } from "../pipe.js";
import { version } from "../version.js";
import { modernVersionsOf } from "./gate.js";
import { firstModernVersion } from "./looks-modern.js";
import { clientCapabilitiesKey, clientInfoKey, protocolVersionKey } from "./meta-keys.js";
import type { SharedProcess } from "./shared-process.js";

type Verdict = "modern" | "legacy" | "not known";

type State =
  | { readonly name: "not asked" }
  /** `soon` is what is said meanwhile: false, once the answer takes longer than `probeTimeoutMs`. */
  | { readonly name: "asked"; readonly soon: Promise<boolean> }
  | { readonly name: "answered"; readonly isModern: boolean };

/** What became of a question: an answer, the end of the process, or nothing in time. */
type Outcome = { readonly answer: ResponseMessage } | { readonly end: PipeEnd } | "silence";

export interface ProbeOwner {
  /** Starts a process to ask. */
  start(): SharedProcess;
  /** The process has answered as one of revision 2026-07-28 does. It is kept. */
  onModern(process: SharedProcess, answer: ResponseMessage): void;
}

/** Finds out whether a server speaks revision 2026-07-28, by asking a process of its own. */
export class Probe {
  readonly #options: ResolvedStdioOptions;
  readonly #backoff: Pick<Backoff, "waitMs" | "failed">;
  readonly #owner: ProbeOwner;
  readonly #timers = new Set<NodeJS.Timeout>();
  #state: State;

  constructor(options: ResolvedStdioOptions, backoff: Pick<Backoff, "waitMs" | "failed">, owner: ProbeOwner) {
    this.#options = options;
    this.#backoff = backoff;
    this.#owner = owner;
    const { era } = options;
    this.#state = era === "auto" ? { name: "not asked" } : { name: "answered", isModern: era === "modern" };
  }

  /**
   * Whether the server speaks revision 2026-07-28, as far as that is known within `probeTimeoutMs`. The
   * question stays open longer: a server that answers late is asked nothing again. Callers share one
   * question.
   */
  isModern(): Promise<boolean> {
    if (this.#state.name === "not asked") {
      // A command that has just failed would fail again.
      if (this.#backoff.waitMs > 0) return Promise.resolve(false);
      const verdict = this.#ask();
      const tooLong = this.#after(this.#options.probeTimeoutMs, false);
      this.#state = { name: "asked", soon: Promise.race([verdict, tooLong]) };
    }
    return this.#state.name === "asked" ? this.#state.soon : Promise.resolve(this.#state.isModern);
  }

  /** Waits for nothing any more. The processes are ended by the owner. */
  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  async #ask(): Promise<boolean> {
    const verdict = await this.#judge();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    const isModern = verdict === "modern";
    this.#state = verdict === "not known" ? { name: "not asked" } : { name: "answered", isModern };
    return isModern;
  }

  /**
   * A server that answers with an error is of an earlier revision. One that exits may be so, too: some exit
   * when the first request is not `initialize`. The same is seen of a command that does not work at all. A
   * second process, which is sent `initialize`, tells them apart. A server that says nothing may not have
   * started yet, or may ignore what it does not know. The same process is sent `initialize` then.
   */
  async #judge(): Promise<Verdict> {
    const silence = this.#after(this.#options.startTimeoutMs, "silence" as const);
    const process = this.#owner.start();
    const outcome = await Promise.race([ask(process, discover), silence]);
    if (outcome !== "silence" && "answer" in outcome && isModernAnswer(outcome.answer)) {
      this.#owner.onModern(process, outcome.answer);
      return "modern";
    }
    if (outcome === "silence") return this.#judgeSilent(process);
    if ("answer" in outcome) {
      void process.end();
      return "legacy";
    }
    const isLegacy = outcome.end.code === "exited" && (await this.#takesInitialize(silence));
    if (isLegacy) return "legacy";
    if (outcome.end.code !== "ended") this.#backoff.failed();
    return "not known";
  }

  async #judgeSilent(process: SharedProcess): Promise<Verdict> {
    const longer = this.#after(this.#options.probeTimeoutMs, "silence" as const);
    const outcome = await Promise.race([ask(process, initialize), longer]);
    void process.end();
    if (outcome !== "silence" && "answer" in outcome && "result" in outcome.answer.value) return "legacy";
    this.#backoff.failed();
    return "not known";
  }

  async #takesInitialize(silence: Promise<"silence">): Promise<boolean> {
    const process = this.#owner.start();
    const outcome = await Promise.race([ask(process, initialize), silence]);
    void process.end();
    return outcome === "silence" || "answer" in outcome;
  }

  #after<T>(delayMs: number, value: T): Promise<T> {
    return new Promise((resolve) => {
      this.#timers.add(setTimeout(() => resolve(value), delayMs));
    });
  }
}

function ask(process: SharedProcess, question: RequestMessage): Promise<Outcome> {
  return new Promise((resolve) => {
    process.request(question, {
      notify: () => {},
      answer: (_text, answer) => resolve({ answer }),
      end: () => {},
      fail: (end) => resolve({ end }),
    });
  });
}

/** A server that refuses the revision of the question speaks another one of that kind, if it names one. */
function isModernAnswer(answer: ResponseMessage): boolean {
  const { result } = answer.value;
  if (!isObject(result)) return modernVersionsOf(answer) !== undefined;
  return !Array.isArray(result["supportedVersions"]) || modernVersionsOf(answer) !== undefined;
}

const clientInfo = { name: "mcp-tunnel-stdio", version };

const discover = question("server/discover", {
  _meta: {
    [protocolVersionKey]: firstModernVersion,
    [clientInfoKey]: clientInfo,
    [clientCapabilitiesKey]: {},
  },
});

const initialize = question("initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo });

/** The process is given a number in place of the id. */
function question(method: string, params: object): RequestMessage {
  const value = { jsonrpc: "2.0", id: 0, method, params };
  return { text: JSON.stringify(value), value };
}
