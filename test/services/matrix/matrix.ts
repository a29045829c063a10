import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RelayCommand, startClientCommand, startRelayCommand } from "../../support/commands.js";
import { type SecureRelay, startSecureRelay } from "../../support/secure.js";
import { UserAgent } from "./user-agent.js";

/** A local service that runs. */
export interface Service {
  readonly port: number;
  close(): unknown;
}

/** What a user of the software does. It throws when something does not work that has to. */
export type Scenario = (visitor: UserAgent) => Promise<void>;

/** How visitors reach the relay. */
export type Scheme = "http" | "https";

/** What one scenario needs through the tunnel. */
export interface Need {
  /** The client's options with which it works, as on the command line, or `none`: no option helps. */
  readonly with: string;
  /** The schemes for which it does not work without them. Default: both. */
  readonly over?: readonly Scheme[];
  /** Why it cannot work by default, for docs/services.md. */
  readonly why: string;
}

/** `works`: by default, over both schemes. */
export type Expectation = "works" | Need;

/** A server of the matrix. */
export interface Software {
  /** As docs/services.md calls it. */
  readonly name: string;
  /** Whether it cannot run here; says why. Only asked where it is to run, since the answer may take an installation. */
  missing(): boolean;
  /** Starts it on a free port, and waits until it answers. */
  start(): Promise<Service>;
  readonly scenarios: Readonly<Record<string, Scenario>>;
  /** What is expected of each scenario through the tunnel. */
  readonly expected: Readonly<Record<string, Expectation>>;
}

/** The domain of the tunnels: unlike `.test` and `.localhost` no development server takes it for its own machine's. */
const domain = "tunnel.example";

const schemes: readonly Scheme[] = ["http", "https"];

/**
 * The tests of some software: each scenario directly, then through the tunnel over both schemes, with the client's defaults and with
 * the options of {@link Software.expected}. A cell works when the visitor's journal is the one of direct access.
 */
export function describeMatrix(softwares: readonly Software[]): void {
  let plain: RelayCommand;
  let secure: SecureRelay;
  beforeAll(async () => {
    plain = await startRelayCommand(["--domain", domain]);
    secure = await startSecureRelay([], domain);
  });
  afterAll(async () => {
    await plain?.close();
    await secure?.close();
  });

  describe.each(softwares)("$name", (software) => {
    describe.skipIf(software.missing())("through the tunnel as directly", () => {
      let service: Service;
      const tunnels = new Map<string, Promise<{ url: string; close(): Promise<unknown> }>>();
      beforeAll(async () => {
        service = await software.start();
      }, 60_000);
      afterAll(async () => {
        for (const tunnel of tunnels.values()) await (await tunnel).close();
        await service?.close();
      });

      /** The tunnel with these options, which stays for the scenarios that follow. */
      function tunnel(scheme: Scheme, options: string): Promise<{ url: string; close(): Promise<unknown> }> {
        const key = `${scheme} ${options}`;
        const subdomain = `t${tunnels.size}-${software.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}`
          .slice(0, 40)
          .replace(/-$/, "");
        const args = ["--subdomain", subdomain, ...options.split(" ").filter(Boolean)];
        const started =
          tunnels.get(key) ??
          (scheme === "http"
            ? startClientCommand(service.port, plain.port, args)
            : startClientCommand(
                service.port,
                secure.port,
                ["--relay", `https://127.0.0.1:${secure.port}`, ...args],
                { NODE_EXTRA_CA_CERTS: secure.caFile },
              ));
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

        const through = async (scheme: Scheme, options: string): Promise<string[]> => {
          const { url } = await tunnel(scheme, options);
          return journalOf(
            scenario,
            url.replace(/\/$/, ""),
            scheme === "https" ? secure.authority.cert : undefined,
          );
        };

        it("works directly", async () => {
          direct = await journalOf(scenario, `http://localhost:${service.port}`);
          expect(direct.filter((line) => line.startsWith("FAILED"))).toEqual([]);
        });

        for (const scheme of schemes) {
          if (need === undefined || !(need.over ?? schemes).includes(scheme)) {
            it(`works over ${scheme}`, async () => {
              expect(await through(scheme, "")).toEqual(direct);
            });
            continue;
          }
          it(`does not work over ${scheme} by default: ${need.why}`, async () => {
            const seen = await through(scheme, "");
            expect(seen).not.toEqual(direct);
            // The service itself has answered, not the tunnel for it.
            expect(seen.join("\n")).not.toMatch(/-> 50[234]\b|ECONN/);
          });
          if (need.with === "none") continue;
          it(`works over ${scheme} with ${need.with}`, async () => {
            expect(await through(scheme, need.with)).toEqual(direct);
          });
        }
      });
    });
  });
}

/** What a new visitor of `origin` sees; that the scenario failed is part of it. */
export async function journalOf(scenario: Scenario, origin: string, ca?: string): Promise<string[]> {
  const visitor = new UserAgent(origin, ca);
  try {
    await scenario(visitor);
  } catch (error) {
    visitor.note(`FAILED ${(error as Error).message}`);
  } finally {
    await visitor.close();
  }
  return visitor.journal;
}
