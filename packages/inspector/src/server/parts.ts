import type { Captured, Ring } from "../captured.js";
import type {
  CallDetail,
  ExchangeDetail,
  ExchangeSummary,
  InspectorState,
  McpSession,
  ReplayAnswer,
  ReplayRequest,
  ServerState,
  SessionDetail,
} from "../model.js";

/** The parts of an inspector that the page shows and drives. */
export interface ServerParts {
  readonly ring: Ring;
  readonly mcp: McpPart;
  readonly replayer: ReplayPart;
  readonly servers: { states(): readonly ServerState[] };
  readonly views: ViewsPart;
  state(): InspectorState;
  /** Whether anything new is captured. */
  pause(paused: boolean): void;
  /** Forgets all that was captured. */
  clear(): void;
}

export interface McpPart {
  sessions(): readonly McpSession[];
  session(key: string): SessionDetail | undefined;
}

export interface ReplayPart {
  /** Resolves once the request is on its way. Its errors have the properties `status` and `code`. */
  replay(entry: Captured, request: ReplayRequest): Promise<ReplayAnswer>;
  /** False if no replay with that id is open. */
  cancel(id: number): boolean;
}

/** How entries are shown. Secrets are marked in details and calls, and hidden for good in exports. */
export interface ViewsPart {
  summary(entry: Captured): ExchangeSummary;
  detail(entry: Captured): ExchangeDetail;
  call(key: string): CallDetail | undefined;
  /** The secret that has this mark in the details of an entry or of its calls. */
  hidden(entry: Captured, mark: string): string | undefined;
  curl(entry: Captured): string;
  /** A HAR without entries: JSON text that ends with `"entries":[`, and what follows the entries. */
  har(): readonly [before: string, after: string];
  harEntry(entry: Captured): object;
}
