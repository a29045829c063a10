import type { Session } from "../clients.js";
import type { Journal } from "../journal.js";

type Params = Record<string, unknown>;
type Run = () => unknown;

/** What scenarios are written with. */
export interface Steps {
  readonly journal: Journal;
  /** A step that is compared in the order in which it was seen. */
  readonly step: ((name: string, run: Run) => Promise<void>) & {
    /** A step of several requests at once, compared request by request. */
    many(name: string, run: Run): Promise<void>;
  };
  call(method: string, params?: Params): Run;
  tool(name: string, args?: Params): Run;
}

export function stepsOf(session: Session): Steps {
  const { journal } = session;
  return {
    journal,
    step: Object.assign((name: string, run: Run) => journal.step(name, run), {
      many: (name: string, run: Run) => journal.step(name, run, "by request"),
    }),
    call: (method, params) => () => session.call(method, params),
    tool: (name, args) => () => session.tool(name, args),
  };
}

/** Calls a tool and asks for its progress. */
export function progressing(session: Session, name: string, args?: Params): Promise<unknown> {
  return session.tool(name, args, { onprogress: () => {} });
}

/** Calls a tool, and gives the call up at its first progress. */
export function cancelling(session: Session, name: string, args?: Params): Promise<unknown> {
  const controller = new AbortController();
  const call = session.tool(name, args, {
    signal: controller.signal,
    onprogress: () => controller.abort(new Error("given up")),
  });
  // The caller awaits it after what the server still sends.
  call.catch(() => {});
  return call;
}
