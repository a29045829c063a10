import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Relays, type Scheme, schemes, startRelays, type Tunnel, type Way } from "./relays.js";
import { UserAgent } from "./user-agent.js";

/** A running local service. */
export interface Service {
  readonly port: number;
  close(): unknown;
}

/** The steps of a user of the software. It throws when a necessary step does not work. */
export type Scenario = (visitor: UserAgent) => Promise<void>;

/** The needs of one scenario through the tunnel. */
export interface Need {
  /** The client's options with which the scenario works, as on the command line. `none`: no option helps. */
  readonly with: string;
  /** The schemes over which the scenario does not work without them. Default: both. */
  readonly over?: readonly Scheme[];
  /** The reason why it cannot work by default, for docs/services.md. */
  readonly why: string;
}

/** `works`: the scenario works by default, over both schemes. */
export type Expectation = "works" | Need;

/** A server of the matrix. */
export interface Software {
  /** The name in docs/services.md. */
  readonly name: string;
  /**
   * Whether the software cannot run here; it tells the reason. Only called where it is to run, because the
   * answer may take an installation.
   */
  missing(): boolean;
  /** Starts it on a free port, and waits until it answers. */
  start(): Promise<Service>;
  readonly scenarios: Readonly<Record<string, Scenario>>;
  /** The expected result of each scenario through the tunnel. */
  readonly expected: Readonly<Record<string, Expectation>>;
  /**
   * Options of the client for users who need them for another reason: everything that works by default works
   * with them too.
   */
  readonly alsoWith?: readonly string[];
}

/**
 * The tests of some software: each scenario directly, then through the tunnel over both schemes, with the
 * client's defaults and with the options of {@link Software.expected}. A cell works when the visitor's
 * journal equals that of direct access.
 */
export function describeMatrix(softwares: readonly Software[]): void {
  let relays: Relays;
  beforeAll(async () => {
    relays = await startRelays();
  });
  afterAll(() => relays?.close());

  for (const software of softwares) {
    describe.skipIf(software.missing())(`${software.name}, through the tunnel as directly`, () => {
      let service: Service;
      const tunnels = new Map<string, Promise<Tunnel>>();
      beforeAll(async () => {
        service = await software.start();
      }, 60_000);
      afterAll(async () => {
        // A tunnel that did not come up has failed its test. It must not keep the service from ending.
        for (const tunnel of await Promise.allSettled(tunnels.values())) {
          if (tunnel.status === "fulfilled") await tunnel.value.close();
        }
        await service?.close();
      });

      /** The tunnel with these options. It stays for the scenarios that follow. */
      function tunnel(scheme: Scheme, options: string): Promise<Tunnel> {
        const key = `${scheme} ${options}`;
        const started = tunnels.get(key) ?? relays.connect(scheme, service.port, options);
        tunnels.set(key, started);
        return started;
      }

      it("has an expectation for each scenario", () => {
        expect(Object.keys(software.expected)).toEqual(Object.keys(software.scenarios));
      });

      describe.each(Object.entries(software.scenarios))("%s", (name, scenario) => {
        let direct: string[];
        const expectation = software.expected[name] ?? "works";
        const need = expectation === "works" ? undefined : expectation;

        it("works directly", async () => {
          direct = await journalOf(scenario, directWay(service));
          expect(direct.filter(isFailure)).toEqual([]);
        });

        for (const scheme of schemes) {
          if (need === undefined || !(need.over ?? schemes).includes(scheme)) {
            for (const options of ["", ...(software.alsoWith ?? [])]) {
              it(`works over ${scheme}${options && `, and with ${options}`}`, async () => {
                expect(await journalOf(scenario, await tunnel(scheme, options))).toEqual(direct);
              });
            }
            continue;
          }
          it(`does not work over ${scheme} by default: ${need.why}`, async () => {
            const seen = await journalOf(scenario, await tunnel(scheme, ""));
            expect(seen).not.toEqual(direct);
            // The service itself has answered. The tunnel has not answered in its place.
            expect(seen.join("\n")).not.toMatch(/-> 50[234]\b|ECONN/);
          });
          if (need.with === "none") continue;
          it(`works over ${scheme} with ${need.with}`, async () => {
            expect(await journalOf(scenario, await tunnel(scheme, need.with))).toEqual(direct);
          });
        }
      });
    });
  }
}

/** The way of a browser on the same machine. */
export function directWay(service: Service): Way {
  return { origin: `http://localhost:${service.port}` };
}

/** The journal of a new visitor. A failure of the scenario is part of it. */
export async function journalOf(scenario: Scenario, { origin, ca }: Way): Promise<string[]> {
  const visitor = new UserAgent(origin, ca);
  try {
    await scenario(visitor);
  } catch (error) {
    visitor.note(`${failure}${(error as Error).message}`);
  } finally {
    await visitor.close();
  }
  return visitor.journal;
}

const failure = "FAILED ";

export function isFailure(line: string): boolean {
  return line.startsWith(failure);
}
