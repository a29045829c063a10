import parsePrometheus from "parse-prometheus-text-format";
import { request } from "undici";
import { type RelayCommand, startRelayCommand } from "../support/commands.js";

/** A relay command with its admin API on a free port of loopback. */
export interface AdminRelay extends RelayCommand {
  /** Base URL of the admin API. */
  admin: string;
}

export async function startAdminRelay(
  args: readonly string[] = [],
  env?: NodeJS.ProcessEnv,
): Promise<AdminRelay> {
  const listen = args.includes("--admin-listen") ? [] : ["--admin-listen", "127.0.0.1:0"];
  const relay = await startRelayCommand([...listen, ...args], env);
  const { port } = await relay.waitForJson({ msg: "admin API listening" });
  return Object.assign(relay, { admin: `http://127.0.0.1:${port}` });
}

export interface Answer {
  status: number;
  text: string;
  /** The API's answer, if it was JSON. */
  json: Record<string, unknown> | undefined;
}

export async function ask(
  url: string,
  options: { method?: "GET" | "DELETE" | "POST"; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const answer = await request(url, options);
  const text = await answer.body.text();
  return {
    status: answer.statusCode,
    text,
    json: text.startsWith("{") ? (JSON.parse(text) as Record<string, unknown>) : undefined,
  };
}

/** The metrics of a relay, read by a parser from another project. */
export class Scrape {
  readonly families;

  constructor(text: string) {
    this.families = parsePrometheus(text);
  }

  static of(relay: AdminRelay): Promise<Scrape> {
    return Scrape.at(relay.admin);
  }

  /** `admin`: the base URL of the admin API. */
  static async at(admin: string): Promise<Scrape> {
    return new Scrape((await ask(`${admin}/metrics`)).text);
  }

  /** The value of the one series with these labels. */
  value(name: string, labels: Record<string, string> = {}): number {
    const matching = this.family(name).metrics.filter((metric) =>
      Object.entries(labels).every(([key, value]) => metric.labels?.[key] === value),
    );
    if (matching.length !== 1)
      throw new Error(`${matching.length} series of ${name} have ${JSON.stringify(labels)}`);
    return Number(matching[0]?.value ?? matching[0]?.count);
  }

  family(name: string) {
    const family = this.families.find((candidate) => candidate.name === name);
    if (family === undefined) throw new Error(`no metric ${name}`);
    return family;
  }
}
