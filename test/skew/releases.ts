import { commands } from "../support/commands.js";
import { firstCommands } from "./first-release.js";

/** The two commands of a release. */
export interface Release {
  readonly name: string;
  readonly relay: string;
  readonly client: string;
}

export const today: Release = { name: "today's", relay: commands.relay, client: commands.client };
export const first: Release = { name: "the first", ...firstCommands };
export const releases = [first, today] as const;

/** A client of one release at a relay of the other, both ways. */
export const skewed = [
  { client: first, relay: today },
  { client: today, relay: first },
] as const;

/** Limits on bodies that no test here reaches, in the words that both releases know. */
export const roomy = ["--max-request-body", "104857600", "--max-response-body", "104857600"];
