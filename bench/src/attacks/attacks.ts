import { type Field, frame, handshake, kinds, type Line, message, requestHead } from "./field.js";

export interface Attack {
  readonly name: string;
  /** What is done, for the table. */
  readonly what: string;
  /** Options of the relay besides the defaults. */
  readonly relayArgs?: readonly string[];
  run(field: Field): Promise<void>;
}

const mebibyte = 1_048_576;

/** Becomes a client that holds `name`, over the wire that `protocol` says. */
async function register(line: Line, name: string, protocol?: number[]): Promise<void> {
  line.say(handshake);
  if (!(await line.head()).includes(" 101 ")) {
    line.socket.destroy();
    return;
  }
  line.say(message(kinds.text, JSON.stringify({ token: `token of ${name}`, subdomain: name, protocol })));
  // Its acknowledgement; or the end, if it was refused.
  await new Promise<void>((resolve) => {
    line.socket.once("data", () => resolve());
    void line.closed.then(resolve);
  });
}

/** All that the relay is known to have to withstand, each as one machine can do it that does not mind being recognised. */
export const attacks: readonly Attack[] = [
  {
    name: "slow heads",
    what: "1,000 connections whose request heads never end, a field each second (Slowloris)",
    async run(field) {
      await field.paced(500, 1_000, async (i) => {
        const line = field.connect(i);
        line.say("GET / HTTP/1.1\r\nHost: target.localhost\r\n");
        line.drip("X-Slow: 1\r\n", 1_000);
        await line.closed;
      });
    },
  },
  {
    name: "slow bodies",
    what: "1,000 connections with uploads of a byte a second",
    async run(field) {
      await field.paced(500, 1_000, async (i) => {
        const line = field.connect(i);
        line.say(requestHead("POST /sink", "Content-Length: 5000000"));
        line.drip("x", 1_000);
        await line.closed;
      });
    },
  },
  {
    name: "slow readers",
    what: "20 connections a second that ask for 10 MB each and read none of it",
    async run(field) {
      await field.paced(20, 1_000, async (i) => {
        const line = field.connect(i);
        line.socket.pause();
        line.say(requestHead("GET /bytes/10000000"));
        await line.closed;
      });
    },
  },
  {
    name: "connections",
    what: "500 new connections a second from five addresses, kept open and silent",
    async run(field) {
      await field.paced(500, 8_000, (i) => field.connect(i, 5).closed);
    },
  },
  {
    name: "requests",
    what: "500 small requests a second over 200 connections",
    async run(field) {
      await field.paced(200, 200, async (i) => {
        const line = field.connect(i);
        line.drip(requestHead("GET /small"), 400);
        await line.closed;
      });
    },
  },
  {
    name: "aborted requests",
    what: "200 requests a second for 1 MB each that are given up as soon as they are sent",
    async run(field) {
      await field.paced(200, 1_000, async (i) => {
        const line = field.connect(i);
        line.socket.write(requestHead("GET /bytes/1000000"), () =>
          setTimeout(() => line.socket.resetAndDestroy(), 2),
        );
        await line.closed;
      });
    },
  },
  {
    name: "endless requests",
    what: "as many requests as are let through to a service that never answers",
    async run(field) {
      await field.paced(200, 1_500, async (i) => {
        const line = field.connect(i, 2);
        line.say(requestHead("GET /hang"));
        await line.closed;
      });
    },
  },
  {
    name: "upgrades",
    what: "50 upgraded connections a second that stay open, each with 64 KiB to echo",
    async run(field) {
      await field.paced(50, 1_000, async (i) => {
        const line = field.connect(i);
        line.say(requestHead("GET /echo", "Connection: Upgrade", "Upgrade: echo"));
        line.say("x".repeat(65_536));
        await line.closed;
      });
    },
  },
  {
    name: "uploads",
    what: "20 uploads of 5 MB a second, 150 at once, to a service that reads none of them",
    async run(field) {
      const chunk = Buffer.alloc(65_536);
      // With more, this machine's kernel runs out of memory for TCP: it holds every buffer of all four connections in a row.
      await field.paced(20, 150, async (i) => {
        const line = field.connect(i);
        line.say(requestHead("POST /hang", "Content-Length: 5000000"));
        await line.flood(chunk, 4_900_000);
        await line.closed;
      });
    },
  },
  {
    name: "header bombs",
    what: "300 requests a second with heads of 31 KB, too many fields, too long targets or endless heads",
    async run(field) {
      const bombs = [
        requestHead("GET /small", `X-A: ${"a".repeat(31_000)}`),
        requestHead("GET /small", ...Array.from({ length: 300 }, (_, n) => `X-${n}: b`)),
        requestHead(`GET /${"c".repeat(20_000)}`),
        `GET /small HTTP/1.1\r\nHost: target.localhost\r\nX-D: ${"d".repeat(200_000)}`,
      ];
      await field.paced(300, 500, async (i) => {
        const line = field.connect(i);
        line.say(bombs[i % bombs.length] as string);
        await line.head();
        line.socket.destroy();
      });
    },
  },
  {
    name: "held requests",
    what: "a client that registers and loses its connection, and 200 requests a second for it, with bodies",
    async run(field) {
      const client = field.connect(0);
      await register(client, "away", [1]);
      client.socket.resetAndDestroy();
      const head = requestHead("POST /", "Content-Length: 200000").replace("target.", "away.");
      await field.paced(200, 1_000, async (i) => {
        const line = field.connect(i);
        line.say(head + "x".repeat(100_000));
        await line.closed;
      });
    },
  },
  {
    name: "registrations",
    what: "300 clients a second from 50 addresses that connect and never register",
    async run(field) {
      await field.paced(300, 4_000, async (i) => {
        const line = field.connect(i, 50);
        line.say(handshake);
        await line.closed;
      });
    },
  },
  {
    name: "guessed tokens",
    what: "200 registrations a second with wrong tokens from ten addresses",
    relayArgs: ["--static-token", "the honest token:demo,target"],
    async run(field) {
      await field.paced(200, 500, async (i) => {
        const line = field.connect(i, 10);
        await register(line, `guess-${i}`);
        await line.closed;
      });
    },
  },
  {
    name: "evictions",
    what: "clients that register and take their names from each other, 20 a second from ten addresses",
    async run(field) {
      await field.paced(20, 500, async (i) => {
        const line = field.connect(i, 10);
        await register(line, `name-${i % 5}`, i % 2 === 0 ? [1] : undefined);
        await line.closed;
      });
    },
  },
  {
    name: "message bombs",
    what: "clients whose messages never end, in large fragments, in empty ones, or of a gigabyte, registered and not",
    async run(field) {
      await field.paced(20, 50, async (i) => {
        const line = field.connect(i, 20);
        if (i % 2 === 0) await register(line, `bomb-${i % 8}`, [1]);
        else line.say(handshake);
        await line.head();
        if (i % 3 === 0) line.say(message(kinds.text, "x", 1_000_000_000));
        line.say(message(kinds.textBegins, "{"));
        const fragment = message(kinds.continues, Buffer.alloc(i % 3 === 1 ? 65_536 : 0, 0x20));
        await line.flood(
          Buffer.concat(new Array<Buffer>(i % 3 === 1 ? 1 : 1_000).fill(fragment)),
          64 * mebibyte,
        );
        await line.closed;
      });
    },
  },
  {
    name: "pings",
    what: "ten registered clients that send pings without end and read no answer",
    async run(field) {
      const pings = Buffer.concat(new Array<Buffer>(100).fill(message(kinds.ping, Buffer.alloc(125))));
      await field.paced(10, 10, async (i) => {
        const line = field.connect(i, 10);
        await register(line, `ping-${i}`, [1]);
        line.socket.pause();
        // Fast, but not so that the attacker's own work is all that this machine does.
        const timer = setInterval(() => line.socket.writableNeedDrain || line.say(pings), 50);
        await line.closed;
        clearInterval(timer);
      });
    },
  },
  {
    name: "hostile frames",
    what: "clients that break the protocol in all ways, 30 a second, while visitors ask for their tunnels",
    async run(field) {
      const wrong = [
        frame(0x05, 99, "data on a stream that never was"),
        frame(0x1f, 1, "no such type"),
        frame(0x02, 1, "GET\n/"),
        frame(0x04, 1, "200\nContent-Length"),
        frame(0x08, 1, Buffer.from([0xff, 0xff, 0xff, 0xff])),
        frame(0x05, 1, Buffer.alloc(262_144)),
        frame(0x01, 0, Buffer.alloc(8, 0x7f)),
      ];
      await field.paced(30, 500, async (i) => {
        const line = field.connect(i, 20);
        await register(line, `evil-${i % 10}`, [1]);
        const visitor = field.connect(i, 20);
        visitor.say(requestHead("GET /").replace("target.", `evil-${i % 10}.`));
        line.say(frame(0x03, 1, "103\nLink\nx"));
        line.say(wrong[i % wrong.length] as Buffer);
        await line.closed;
        visitor.socket.destroy();
      });
    },
  },
  {
    name: "fat answers",
    what: "an original client, whose wire has no credit, that floods visitors who read nothing",
    async run(field) {
      const line = field.connect(0);
      await register(line, "fat");
      const ids: string[] = [];
      line.socket.on("data", (chunk: Buffer) => {
        for (const [id] of chunk
          .toString("latin1")
          .matchAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g)) {
          ids.push(id);
          line.say(
            message(kinds.text, JSON.stringify({ kind: "response_head", id, status: 200, headers: {} })),
          );
        }
      });
      const data = Buffer.alloc(49_152).toString("base64");
      const timer = setInterval(() => {
        for (const id of ids) {
          if (line.socket.writableNeedDrain) break;
          line.say(message(kinds.text, JSON.stringify({ kind: "response_chunk", id, data, last: false })));
        }
      }, 20);
      void line.closed.then(() => clearInterval(timer));
      await field.paced(10, 100, async (i) => {
        const visitor = field.connect(i);
        visitor.socket.pause();
        visitor.say(requestHead("GET /").replace("target.", "fat."));
        await visitor.closed;
      });
    },
  },
];
