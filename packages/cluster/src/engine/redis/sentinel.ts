import { TunnelError } from "mcp-tunnel-protocol";
import { connectTo } from "./client.js";
import { unavailable } from "./errors.js";
import { nameOf } from "./options.js";
import type { RedisPlace, Server } from "./options.js";
import { within } from "./within.js";

/** How long one sentinel may take. All are asked at the same time. */
const sentinelMs = 700;

/**
 * The primary that most of the sentinels name: one of them may be cut off, and name the old one.
 * @throws TunnelError `unavailable` if none of them names one.
 */
export async function primaryOf(place: RedisPlace, master: string): Promise<Server> {
  const answers = await Promise.allSettled(place.servers.map((sentinel) => ask(sentinel, place, master)));
  const votes = new Map<string, { server: Server; count: number }>();
  const failures: string[] = [];
  for (const [i, answer] of answers.entries()) {
    if (answer.status === "rejected") {
      const sentinel = nameOf(place.servers[i] as Server);
      failures.push(unavailable(answer.reason, `name the primary of "${master}"`, sentinel).message);
      continue;
    }
    const name = nameOf(answer.value);
    votes.set(name, { server: answer.value, count: (votes.get(name)?.count ?? 0) + 1 });
  }
  const [most] = [...votes.values()].sort((one, other) => other.count - one.count);
  if (most !== undefined) return most.server;
  throw new TunnelError(
    "unavailable",
    `no sentinel knows the primary of "${master}": ${failures.join("; ")}`,
  );
}

async function ask(sentinel: Server, place: RedisPlace, master: string): Promise<Server> {
  const login = { user: undefined, password: place.sentinelPassword, database: 0 };
  const client = await connectTo(sentinel, place, login, sentinelMs, () => {});
  try {
    const asked = client.sendCommand(["SENTINEL", "GET-MASTER-ADDR-BY-NAME", master]);
    const reply: unknown = await within(
      asked,
      sentinelMs,
      () => new Error(`no answer within ${sentinelMs} ms`),
    );
    const [host, port] = Array.isArray(reply) ? (reply as unknown[]) : [];
    if (typeof host === "string" && Number.isInteger(Number(port))) return { host, port: Number(port) };
    throw new Error("it watches no servers of that name");
  } finally {
    client.destroy();
  }
}
