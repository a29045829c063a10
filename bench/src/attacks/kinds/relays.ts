import { setTimeout as delay } from "node:timers/promises";
import type { Attack } from "../attack.js";
import type { Field } from "../field.js";
import type { Wire } from "../hostile-client.js";
import { HostileRelay, type Victim } from "../hostile-relay.js";

/** Beyond this backlog the attacker's own memory would fill up instead of the client's. */
const maxBacklogBytes = 33_554_432;
/**
 * A client that has stopped reading notices a broken connection only when it has cut the streams that held it
 * up, one each 10 s.
 */
const maxAwayMs = 45_000;
/**
 * Fields of ordinary requests, and of requests that the client sends over a connection of their own. Used on
 * v1 only.
 */
const fields: readonly (readonly string[])[] = [[], ["Trailer", "X-A"], ["Expect", "100-continue"]];

/**
 * For two thirds of the time, uploads go on to a local service that reads none of them. Then the relay breaks
 * the connection off. The client must come back and answer.
 */
async function flood(field: Field, wire: Wire, perSecond: number, most: number): Promise<void> {
  const relay = new HostileRelay(field.port, wire);
  const fail = (why: string): void => {
    field.failures[why] = (field.failures[why] ?? 0) + 1;
  };
  try {
    const first = await relay.client(untilOver(field));
    if (first === undefined) {
      fail("the client did not connect");
      return;
    }
    const pauseAtMs = performance.now() + (untilOver(field) * 2) / 3;
    for (let i = 0; i < most && performance.now() < pauseAtMs; i++) {
      while (first.backlog > maxBacklogBytes && performance.now() < pauseAtMs) await delay(20);
      first.upload("/hang", fields[i % fields.length] as string[]);
      field.attempts += 1;
      await delay(1_000 / perSecond);
    }
    await delay(Math.max(0, pauseAtMs - performance.now()));
    first.drop();
    const again = await relay.client(maxAwayMs);
    if (again === undefined) fail("the client did not come back");
    else await askAround(again, fail);
  } finally {
    relay.close();
  }
}

/** A hundred requests, one each 10 ms. The client should answer all of them. */
async function askAround(client: Victim, fail: (why: string) => void): Promise<void> {
  const answers: Promise<number>[] = [];
  for (let i = 0; i < 100; i++) {
    answers.push(client.ask("/small", 5_000));
    await delay(10);
  }
  for (const status of await Promise.all(answers)) {
    if (status !== 200) fail(`status ${status} of the client that had come back`);
  }
}

function untilOver(field: Field): number {
  return Math.max(0, field.untilMs - performance.now());
}

/** Attacks by a hostile relay on the laptops of its clients. */
export const byRelays: readonly Attack[] = [
  {
    name: "hostile relay",
    what:
      "requests with bodies of 11 MB on the original's wire, 160 at most, to a local service that reads " +
      "none; then a broken link, and 100 requests that are to be answered",
    victim: "client",
    run: (field) => flood(field, "json", 50, 160),
  },
  {
    name: "hostile relay on v1",
    what: "the same with 900 requests, of each as much as there is credit for",
    victim: "client",
    run: (field) => flood(field, "v1", 100, 900),
  },
];
