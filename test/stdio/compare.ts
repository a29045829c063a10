import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Bridge, startConfigured } from "./bridge.js";
import { connect, generations, type Session, type Way } from "./clients.js";
import type { Step } from "./journal.js";
import { seenOnOneWay } from "./must-differ.js";
import type { StdioServer } from "./servers.js";

/** What a client does with a server, in steps of its journal. */
export type Scenario = (session: Session) => Promise<void>;

/** A server of the comparison. */
export interface Compared {
  readonly name: string;
  /** Whether it cannot run here; it tells the reason. */
  missing(): boolean;
  /** How to start it. Only called where it is to run. */
  server(): StdioServer;
  /** Brings its files to their first state, before each run. */
  reset?(): void;
  readonly scenario: Scenario;
  /**
   * Methods that the server has to send in the direct run, in an era: a scenario that does nothing would
   * be equal too.
   */
  readonly sends: { readonly legacy: readonly string[]; readonly modern?: readonly string[] };
}

/**
 * The tests of some servers: what each client sees of each server's own process, it sees through the
 * tunnel.
 */
export function describeServers(compared: readonly Compared[]): void {
  let bridge: Bridge;
  const present = compared.filter((one) => !one.missing());
  beforeAll(async () => {
    bridge = await startConfigured(present.map((one) => one.server()));
  });
  afterAll(() => bridge?.close());

  for (const one of compared) {
    describe.skipIf(!present.includes(one))(`${one.name}, through the tunnel as over stdio`, () => {
      it.each(generations)("to the client %s", { timeout: 120_000 }, async (generation) => {
        const run = async (way: Way): Promise<{ readonly isModern: boolean; readonly steps: Step[] }> => {
          one.reset?.();
          const session = await connect(generation, way);
          try {
            await session.journal.step("who is there", () => session.identity);
            await one.scenario(session);
            return { isModern: session.isModern, steps: session.journal.steps };
          } finally {
            await session.close();
          }
        };
        const direct = await run(one.server());
        expect(unexpected(direct.steps)).toEqual([]);
        const sent = new Set(direct.steps.flatMap(({ seen }) => seen.flatMap(methodOf)));
        expect([...sent]).toEqual(
          expect.arrayContaining([...((direct.isModern ? one.sends.modern : one.sends.legacy) ?? [])]),
        );
        const through = await run({ url: bridge.urlOf(one.server().name) });
        expect(through.steps.map(withoutOneWay)).toEqual(direct.steps.map(withoutOneWay));
      });
    });
  }
}

/** The steps that failed or did not fail, against their name. */
function unexpected(steps: readonly Step[]): Step[] {
  return steps.filter(
    ({ name, seen }) => seen.some((line) => line.startsWith("failed")) !== name.endsWith(" fails"),
  );
}

function methodOf(line: string): string[] {
  const method = /^received .*"method":"([^"]*)"/.exec(line)?.[1];
  return method === undefined ? [] : [method];
}

function withoutOneWay({ name, seen }: Step): Step {
  return { name, seen: seen.filter((line) => !seenOnOneWay.some(({ found }) => found.test(line))) };
}
