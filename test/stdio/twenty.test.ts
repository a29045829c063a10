import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { startOne } from "./bridge.js";
import { connect, type Generation, type Session } from "./clients.js";
import { progressing } from "./scenarios/steps.js";
import { everything, missingNpmServers, sdk2 } from "./servers.js";

const clients = Array.from({ length: 20 }, (_, number) => number);

/** How many reports of progress a client's call brings: no two clients have the same. */
const stepsOf = (number: number): number => 5 + number;

describe("twenty clients at once, each with a slow call", () => {
  const closing = closingAfterEach();

  const seenBy = ({ journal }: Session): readonly string[] => journal.steps.at(-1)?.seen ?? [];

  /** The progress that a client has seen, of any call. */
  function progressIn(session: Session): string[] {
    return seenBy(session)
      .filter((line) => line.includes("notifications/progress"))
      .map((line) => `${/"progress":\d+/.exec(line)?.[0]} ${/"total":\d+/.exec(line)?.[0]}`);
  }

  const expected = (number: number): string[] =>
    Array.from({ length: stepsOf(number) }, (_, i) => `"progress":${i + 1} "total":${stepsOf(number)}`);

  async function connectAll(url: string, generationOf: (number: number) => Generation): Promise<Session[]> {
    return Promise.all(clients.map(async (number) => closing(await connect(generationOf(number), { url }))));
  }

  /** Calls with all clients at once. Returns the progress that each has seen. */
  async function callAll(
    sessions: readonly Session[],
    tool: string,
    args: (number: number) => Record<string, unknown>,
  ): Promise<string[][]> {
    await Promise.all(
      sessions.map((session, number) =>
        session.journal.step("the call", () => progressing(session, tool, args(number))),
      ),
    );
    // Each call has a result. What the server says by itself may come after it.
    const hasResult = (session: Session): boolean =>
      seenBy(session).some((line) => line.startsWith("returned"));
    expect(sessions.map(hasResult)).not.toContain(false);
    return sessions.map(progressIn);
  }

  it.skipIf(missingNpmServers())(
    "in a session of each: all progress reaches its own call",
    { timeout: 90_000 },
    async () => {
      const bridge = closing(await startOne(everything()));
      const sessions = await connectAll(bridge.urlOf("everything"), (number) =>
        number % 2 ? "v1" : "v2 legacy",
      );
      const seen = await callAll(sessions, "trigger-long-running-operation", (number) => ({
        duration: 1,
        steps: stepsOf(number),
      }));
      expect(seen).toEqual(clients.map(expected));
    },
  );

  it("in the one process of revision 2026-07-28: all progress reaches its own call", {
    timeout: 90_000,
  }, async () => {
    const bridge = closing(await startOne(sdk2()));
    const sessions = await connectAll(bridge.urlOf("sdk2"), () => "v2 auto");
    expect(sessions.every(({ isModern }) => isModern)).toBe(true);
    const seen = await callAll(sessions, "count", (number) => ({ to: stepsOf(number), pauseMs: 20 }));
    expect(seen).toEqual(clients.map(expected));
  });
});
