import { fileURLToPath } from "node:url";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { RunningCommand, startClientCommand, startRelayCommand } from "../support/commands.js";
import { pythonWith } from "../support/python.js";
import { createVisitor } from "../support/visitor.js";

const python = pythonWith(fileURLToPath(new URL("requirements.txt", import.meta.url)));

/** Services that close a connection after this idle time, in milliseconds. */
const services: { name: string; idleMs: number; args: string[] }[] = [
  {
    // gunicorn's default is 2 s.
    name: "gunicorn",
    idleMs: 2_000,
    args: [
      "gunicorn",
      "--worker-class",
      "gthread",
      "--bind",
      "127.0.0.1:0",
      "--no-control-socket",
      "echo:wsgi",
    ],
  },
  {
    name: "uvicorn",
    idleMs: 1_000,
    args: ["uvicorn", "--port", "0", "--timeout-keep-alive", "1", "--no-access-log", "echo:asgi"],
  },
];

const burst = 20;
const durationMs = 40_000;

describe.skipIf(python === undefined)("a service that closes idle connections", () => {
  const closing = closingAfterEach();

  async function start(name: string, args: readonly string[], relayPort: number): Promise<void> {
    const service = closing(
      // `-B`: Python leaves no files in the tree.
      new RunningCommand(python as string, ["-B", "-m", ...args], {
        cwd: fileURLToPath(new URL(".", import.meta.url)),
      }),
    );
    const port = await service.waitFor("its port", () =>
      service.stderr.map((line) => /http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1]).find(Boolean),
    );
    closing(await startClientCommand(Number(port), relayPort, ["--subdomain", name]));
  }

  it("costs no visitor a 502, however well his requests meet the close", { timeout: 90_000 }, async () => {
    const relay = closing(await startRelayCommand());
    const visitor = closing(createVisitor(relay.port));

    /**
     * Bursts of POSTs, at the interval after which the service closes the idle connections of the previous
     * burst.
     */
    async function visits({ name, idleMs, args }: (typeof services)[number]): Promise<Map<string, number>> {
      await start(name, args, relay.port);
      const outcomes = new Map<string, number>();
      const post = async (): Promise<void> => {
        const { status, text } = await visitor.text(name, "/", { method: "POST", body: "pay" });
        const outcome = `${status} ${text.trim()}`;
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      };
      for (let startedAt = performance.now(), at = 0; at < durationMs; at += idleMs) {
        await delay(startedAt + at - performance.now());
        await Promise.all(Array.from({ length: burst }, post));
      }
      return outcomes;
    }

    const outcomes = await Promise.all(services.map(visits));
    const expected = services.map(({ idleMs }) => new Map([["200 pay", (burst * durationMs) / idleMs]]));
    expect(outcomes).toEqual(expected);
  });
});
