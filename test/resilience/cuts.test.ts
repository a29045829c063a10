import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { runs } from "../../packages/protocol/test/support/fuzz.js";
import type { Direction } from "../support/fault-proxy.js";
import { type InProcessTunnel, startInProcess } from "../support/in-process.js";
import { isFullRun, scaled } from "./scale.js";
import { runScript, type ScriptSizes, startScriptedService } from "./script.js";
import { nextEvent } from "./support.js";

/** Runs go on side by side, because each mostly waits for its client to come back. */
const laneCount = scaled(8, 32);

/**
 * A run takes a few seconds at most. A run that never ends should tell its state before the test is out of
 * time.
 */
const stuckAfterMs = 40_000;

interface Cut {
  direction: Direction;
  /** Bytes after the start of the run, or after the previous cut. */
  afterBytes: number;
}

/** @throws Error with the text of `describe`, when `work` takes longer. */
async function within<T>(limitMs: number, work: Promise<T>, describe: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(describe())), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A tunnel of its own, on which the scripts run one after the other. */
class Lane {
  readonly #tunnel: InProcessTunnel;

  private constructor(tunnel: InProcessTunnel) {
    this.#tunnel = tunnel;
  }

  static async start(upstreamPort: number): Promise<Lane> {
    return new Lane(await startInProcess({ upstreamPort, faults: true }));
  }

  /**
   * Runs the script with the link cut at these places. Returns the bytes that the visitors received, and how
   * many cuts struck.
   */
  async run(sizes: ScriptSizes, cuts: readonly Cut[]): Promise<{ received: string[]; struck: number }> {
    const { client, relayPort, proxy } = this.#tunnel;
    if (proxy === undefined) throw new Error("there is no proxy");
    let struck = 0;
    const order = (): void => {
      const cut = cuts[struck];
      if (cut !== undefined) proxy.cutAfter(cut.direction, cut.afterBytes);
    };
    const onCut = (): void => {
      struck += 1;
      order();
    };
    proxy.onCut = onCut;
    order();
    const progress: string[] = [];
    const describeRun = (): string => {
      const at = `client ${client.state}, ${client.openRequests} open, ${proxy.connections} links`;
      return `stuck (${at}) after ${struck} of the cuts ${JSON.stringify(cuts)}; received: ${progress.join("; ")}`;
    };
    const received = await within(stuckAfterMs, runScript(relayPort, sizes, progress), describeRun);
    proxy.onCut = () => {};
    proxy.clearFaults();
    // A client that has ended for good would never be back, so this finds it too.
    if (client.state !== "online") await within(stuckAfterMs, nextEvent(client, "connected"), describeRun);
    return { received, struck };
  }

  /** The number of bytes that an undisturbed run sends over the link. */
  async measure(sizes: ScriptSizes): Promise<{ received: string[]; bytes: Record<Direction, number> }> {
    const { proxy } = this.#tunnel;
    const before = { ...proxy?.forwarded } as Record<Direction, number>;
    const { received } = await this.run(sizes, []);
    const { up = 0, down = 0 } = proxy?.forwarded ?? {};
    return { received, bytes: { up: up - before.up, down: down - before.down } };
  }

  close(): Promise<void> {
    return this.#tunnel.close();
  }
}

describe("the visitor's bytes are those of an undisturbed run", () => {
  let service: Awaited<ReturnType<typeof startScriptedService>>;
  let lanes: Lane[] = [];

  beforeAll(async () => {
    // The pauses before a client comes back are random. They take most of the time and show nothing here.
    vi.spyOn(Math, "random").mockReturnValue(0);
    service = await startScriptedService();
    lanes = await Promise.all(Array.from({ length: laneCount }, () => Lane.start(service.port)));
  });

  afterAll(async () => {
    await Promise.all(lanes.map((lane) => lane.close()));
    await service.close();
    vi.restoreAllMocks();
  });

  /** Runs all `cases`, each on a lane that is free. Returns how many cuts struck. */
  async function runAll(
    sizes: ScriptSizes,
    expected: string[],
    cases: readonly (readonly Cut[])[],
  ): Promise<number> {
    let next = 0;
    let struck = 0;
    await Promise.all(
      lanes.map(async (lane) => {
        for (let cuts = cases[next++]; cuts !== undefined; cuts = cases[next++]) {
          const result = await lane.run(sizes, cuts);
          struck += result.struck;
          expect(result.received, JSON.stringify(cuts)).toEqual(expected);
        }
      }),
    );
    return struck;
  }

  const small: ScriptSizes = { download: 700, upload: 500, events: 12, upgraded: 300 };
  const large: ScriptSizes = { download: 400_000, upload: 300_000, events: 200, upgraded: 200_000 };

  it.each([
    ["small", small, scaled(6, 100)],
    ["large", large, scaled(3, 60)],
  ])(
    "with cuts anywhere, also while the client is coming back (%s)",
    async (_, sizes, numRuns) => {
      const { received: expected, bytes } = await (lanes[0] as Lane).measure(sizes);
      const first = fc.oneof(
        fc.record({ direction: fc.constant<Direction>("up"), afterBytes: fc.nat(bytes.up) }),
        fc.record({ direction: fc.constant<Direction>("down"), afterBytes: fc.nat(bytes.down) }),
      );
      // A client that comes back takes about 700 bytes for the handshake and the registration.
      const later = fc.record({
        direction: fc.constantFrom<Direction>("up", "down"),
        afterBytes: fc.nat(1_500),
      });
      const cuts = fc.tuple(first, fc.array(later, { maxLength: 2 })).map(([one, more]) => [one, ...more]);
      const property = fc.asyncProperty(
        fc.array(cuts, { minLength: laneCount, maxLength: laneCount }),
        async (cases) => void (await runAll(sizes, expected, cases)),
      );
      // Shrinking would have to run on lanes that may be stuck.
      await fc.assert(property, { ...(isFullRun ? { numRuns } : runs(numRuns)), endOnFailure: true });
    },
    scaled(60_000, 900_000),
  );

  if (isFullRun) {
    it("with a cut at each byte, in each direction", async () => {
      const { received: expected, bytes } = await (lanes[0] as Lane).measure(small);
      const cases: Cut[][] = [];
      for (const direction of ["up", "down"] as const) {
        for (let afterBytes = 0; afterBytes < bytes[direction]; afterBytes++)
          cases.push([{ direction, afterBytes }]);
      }
      const struck = await runAll(small, expected, cases);
      console.info(`${cases.length} places (${bytes.up} bytes up, ${bytes.down} down), ${struck} cuts`);
      // One acknowledgement more or less moves the end of a run by a few bytes.
      expect(struck).toBeGreaterThan(cases.length * 0.95);
    }, 1_800_000);
  }
});
