import { readFileSync } from "node:fs";

/** A plan that once did harm, with the harm that it did. */
interface HostilePlan {
  name: string;
  origin: string;
  plan: unknown;
}

/** The plans of test/vectors/hostile-peers.json for one property. They are tried before all others. */
export function knownPlans<Plan>(
  peer:
    | "visitors"
    | "connections"
    | "stayers"
    | "terminations"
    | "sessions"
    | "clients"
    | "relays"
    | "services",
): [Plan][] {
  const file = new URL("../../vectors/hostile-peers.json", import.meta.url);
  const plans = JSON.parse(readFileSync(file, "utf8")) as Record<typeof peer, HostilePlan[]>;
  return plans[peer].map(({ plan }) => [plan as Plan]);
}
