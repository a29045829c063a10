import type { Ring } from "../captured.js";
import type { Attention } from "../mcp/attention.js";
import type { McpView } from "../mcp/view.js";
import type { InspectorState } from "../model.js";
import type { Replayer } from "../replay/replayer.js";
import type { Servers } from "../servers.js";
import type { Views } from "../views/views.js";

/** The parts of an inspector that the page shows and drives. */
export interface ServerParts {
  readonly ring: Ring;
  readonly mcp: Pick<McpView, "sessions" | "session">;
  /** Whoever uses the other parts looks, and waits until all is read. */
  readonly attention: Pick<Attention, "look" | "caughtUp">;
  readonly replayer: Pick<Replayer, "replay" | "cancel">;
  readonly servers: Pick<Servers, "states">;
  readonly views: Pick<Views, "summary" | "detail" | "call" | "hidden" | "curl" | "har" | "harEntry">;
  state(): InspectorState;
  /** Whether anything new is captured. */
  pause(paused: boolean): void;
  /** Forgets all that was captured. */
  clear(): void;
}
