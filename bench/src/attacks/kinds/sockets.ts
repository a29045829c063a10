import type { Attack } from "../attack.js";
import { type Field, requestHead } from "../field.js";

const connect = requestHead("CONNECT example.com:443");
/** An expectation that Node itself refuses. */
const expectation = requestHead("GET /small", "Expect: y");
/** Requests that follow in the same packet. Another part of Node hands over each of them. */
const followers = [
  requestHead("GET /echo", "Connection: Upgrade", "Upgrade: websocket"),
  requestHead("GET /_tunnel/register", "Connection: Upgrade", "Upgrade: websocket"),
  connect,
];

/**
 * Sends `head` over a connection of its own, and one more byte after the answer. Then a third of these
 * visitors stay, a third end their half, and a third leave. A relay that does not read sees none of this.
 */
async function sayMore(field: Field, i: number, head: string): Promise<void> {
  const line = field.connect(i, 20, { allowHalfOpen: true });
  line.say(head);
  await line.head();
  line.say("x");
  if (i % 3 === 1) line.socket.end();
  if (i % 3 === 2) setTimeout(() => line.socket.destroy(), 500);
  await line.closed;
}

/** Attacks that leave connections behind that nobody reads and nothing ends. */
export const bySockets: readonly Attack[] = [
  {
    name: "expectations",
    what:
      "500 connections a second from 20 addresses with `Expect: y` and an upgrade behind it " +
      "in one packet",
    async run(field) {
      await field.paced(500, 8_000, (i) => {
        const follower = followers[Math.floor(i / 3) % followers.length] as string;
        return sayMore(field, i, expectation + follower);
      });
    },
  },
  {
    name: "connects",
    what:
      "500 `CONNECT` a second from 20 addresses, a byte after the answer, and peers that stay " +
      "or leave by half",
    async run(field) {
      await field.paced(500, 8_000, (i) => sayMore(field, i, connect));
    },
  },
  {
    name: "connects over TLS",
    what: "the same over TLS, 50 a second",
    tls: true,
    async run(field) {
      await field.paced(50, 8_000, (i) => sayMore(field, i, connect));
    },
  },
];
