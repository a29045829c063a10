import { createHash } from "node:crypto";
import { Agent, request } from "undici";
import { bytesAt } from "../../support/bytes.js";

export interface LoadReport {
  served: number;
  failures: string[];
  slowestMs: number;
}

/** How many visitors there are for each tunnel, of each kind. */
const visitorsEach = 2;
const body = bytesAt(0, 20_000);
const sha256 = createHash("sha256").update(body).digest("hex");

/**
 * Visitors who ask one thing after the other until told to stop: half of them over connections that they
 * keep, half over new ones.
 */
export class Load {
  readonly #report: LoadReport = { served: 0, failures: [], slowestMs: 0 };
  readonly #agents: Agent[] = [];
  readonly #done: Promise<unknown>;
  #isStopped = false;

  /** `port`: of the balancer. */
  constructor(port: number, names: readonly string[]) {
    const visitors = names.flatMap((name) =>
      Array.from({ length: visitorsEach }, () => [
        this.#visitor(port, name, this.#agent({ pipelining: 1, connections: 1 })),
        this.#visitor(port, name, this.#agent({ pipelining: 0 })),
      ]),
    );
    this.#done = Promise.all(visitors.flat());
  }

  async stop(): Promise<LoadReport> {
    this.#isStopped = true;
    await this.#done;
    await Promise.all(this.#agents.map((agent) => agent.close()));
    return this.#report;
  }

  #agent(options: Agent.Options): Agent {
    const agent = new Agent(options);
    this.#agents.push(agent);
    return agent;
  }

  async #visitor(port: number, name: string, dispatcher: Agent): Promise<void> {
    const headers = { host: `${name}.localhost` };
    for (let round = 0; !this.#isStopped; round++) {
      const startedAt = performance.now();
      try {
        const isUpload = round % 3 === 0;
        const answer = await (isUpload
          ? request(`http://127.0.0.1:${port}/hash`, { dispatcher, headers, method: "POST", body })
          : request(`http://127.0.0.1:${port}/slow?ms=${round % 2 === 0 ? 10 : 500}`, {
              dispatcher,
              headers,
            }));
        const text = await answer.body.text();
        const isRight = answer.statusCode === 200 && (isUpload ? text.includes(sha256) : text === "slow\n");
        if (isRight) this.#report.served += 1;
        else this.#report.failures.push(`${answer.statusCode} ${text.slice(0, 200)}`);
      } catch (error) {
        this.#report.failures.push(String(error));
      }
      this.#report.slowestMs = Math.max(this.#report.slowestMs, performance.now() - startedAt);
    }
  }
}
