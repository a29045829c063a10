import { createService } from "mcp-tunnel-client";
import { examineAll } from "mcp-tunnel-shared/command";
import type { DoctorReport, Step } from "mcp-tunnel-shared/command";
import { openMcpServers } from "../tunnel/mcp-servers.js";
import { Case } from "./case.js";
import type { DoctorSettings } from "./case.js";
import { localExaminations } from "./local-steps.js";
import { publicExaminations } from "./public-steps.js";
import { relayExaminations } from "./relay-steps.js";
import type { Lookup } from "./way.js";

/** What a run tells while it goes on. */
export interface DoctorEvents {
  readonly onStep: (step: Step) => void;
  /** Only the end of a silence is waited for, so many milliseconds. */
  readonly onWaiting: (leftMs: number) => void;
}

/**
 * Looks at the way from visitors to the local service, step by step: the relay, the service, and both
 * together through the public URL.
 */
export class Doctor {
  readonly #case: Case;

  /**
   * Opens what is served. `lookup`: for tests; default: as the system does.
   * @throws TunnelError `invalid_option`, or `unavailable` for a file that cannot be read.
   */
  constructor(settings: DoctorSettings, lookup?: Lookup) {
    this.#case = new Case(settings, lookup);
    const { local, mcp, visitors } = settings.tunnel ?? {};
    if (local !== undefined) {
      this.#case.service = createService(local);
      this.#case.mcpPaths = [settings.mcpPath];
    } else if (mcp !== undefined) {
      const isGuarded = (visitors?.kinds.length ?? 0) > 0;
      const servers = openMcpServers(mcp, isGuarded, (_name, event, text) => {
        if (event.type === "failed") this.#case.serverTrouble = text;
      });
      this.#case.service = servers.service;
      this.#case.mcpPaths = servers.places.map(({ path }) => path);
    }
  }

  async run({ onStep, onWaiting }: DoctorEvents): Promise<DoctorReport> {
    const it = this.#case;
    const examinations = [
      ...relayExaminations(it),
      ...localExaminations(it),
      ...publicExaminations(it, onWaiting),
    ];
    return examineAll(examinations, onStep);
  }

  /** Closes the tunnel, and ends what was started. */
  async close(): Promise<void> {
    const { idle, closing, opening, service } = this.#case;
    idle?.close();
    closing.abort();
    // It may be asked for now, or may just have been given.
    const trial = await opening?.catch(() => undefined);
    await trial?.close();
    await service?.close();
  }
}
