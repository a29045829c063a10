import { pickOnly } from "mcp-tunnel-client";
import type { TunnelClientOptions } from "mcp-tunnel-client";
import { matchesPattern } from "mcp-tunnel-protocol";
import { messageOf } from "mcp-tunnel-shared";

interface NamingContext {
  /** All but the service. */
  readonly client: TunnelClientOptions;
  /** What is served, as a person would name it. */
  readonly served: string;
  /** Lets a person choose. `kept`: the name of the last time. Undefined: nobody is there. */
  readonly ask: ((patterns: readonly string[], kept: string | undefined) => Promise<string>) | undefined;
  /** Something that the person should know. */
  readonly warn: (code: string, message: string) => void;
}

/**
 * How a tunnel comes to its name where the relay lets the token choose. A tunnel that asks for no name keeps
 * the one that was drawn or picked for it.
 */
export class Naming {
  readonly #context: NamingContext;
  #picked: string | undefined;
  #hasWarned = false;

  constructor(context: NamingContext) {
    this.#context = context;
  }

  /**
   * Picks from the relay's offer: what was picked before, what a person says, the name of the last time, or
   * one that is drawn. A name is drawn only for a token with a single pattern: of several nobody knows which
   * one is meant.
   * @throws TunnelError `invalid_option` if a person has to say, and nobody is there, and `refused` if the
   * offer is empty.
   */
  readonly pick = async (patterns: readonly string[]): Promise<string> => {
    const { ask } = this.#context;
    if (this.#picked !== undefined && fits(this.#picked, patterns)) return this.#picked;
    const isChoice = patterns.some((pattern) => pattern.includes("*")) || patterns.length > 1;
    const kept = isChoice ? await this.#kept(patterns) : undefined;
    const name = ask === undefined ? await this.#pickAlone(patterns, kept) : await ask(patterns, kept);
    this.#picked = name;
    if (isChoice && name !== kept) await this.#keep(name);
    return name;
  };

  /** Says that the relay gives another name than the one that was asked for. */
  connected(name: string): void {
    const { client, warn } = this.#context;
    const { subdomain: asked } = client;
    // A person who has picked another name knows.
    if (asked === undefined || this.#picked !== undefined || this.#hasWarned) return;
    if (asked.toLowerCase() === name.toLowerCase()) return;
    this.#hasWarned = true;
    warn(
      "name_differs",
      `you asked for the name '${asked}', and the relay gives this token '${name}' alone; with ` +
        "--strict-subdomain the command ends instead",
    );
  }

  async #pickAlone(patterns: readonly string[], kept: string | undefined): Promise<string> {
    if (kept !== undefined) return kept;
    const [only = ""] = patterns;
    const isDrawn = this.#context.client.subdomain === undefined && patterns.length === 1;
    return isDrawn && only.includes("*") ? (await loadState()).drawName(only) : pickOnly(patterns);
  }

  /** The name of the last time, if the token may still have it. */
  async #kept(patterns: readonly string[]): Promise<string | undefined> {
    // A person who asks for a name that the token may not have does not want the last one.
    if (this.#context.client.subdomain !== undefined) return undefined;
    try {
      const { keptName } = await loadState();
      const name = keptName(this.#tunnel);
      return name !== undefined && fits(name, patterns) ? name : undefined;
    } catch (error) {
      this.#tellNotKept(error);
      return undefined;
    }
  }

  async #keep(name: string): Promise<void> {
    if (this.#context.client.subdomain !== undefined) return;
    try {
      const { keepName } = await loadState();
      await keepName(this.#tunnel, name.toLowerCase());
    } catch (error) {
      // A tunnel with another name next time is better than none.
      this.#tellNotKept(error);
    }
  }

  get #tunnel(): { relayUrl: string; token: string | undefined; served: string } {
    const { client, served } = this.#context;
    return { relayUrl: client.relayUrl, token: client.token, served };
  }

  #tellNotKept(error: unknown): void {
    this.#context.warn(
      "name_not_kept",
      `the tunnel's name cannot be kept for the next start: ${messageOf(error)}`,
    );
  }
}

/** The files of the gate are loaded when a relay leaves a choice, which is seldom. */
const loadState = () => import("mcp-tunnel-gate/state");

function fits(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => matchesPattern(pattern, name));
}
