import type { Attack } from "../attack.js";
import { requestHead } from "../field.js";
import { frame, handshake, kinds, message, register } from "../wire.js";

const mebibyte = 1_048_576;

/** Attacks by hostile clients, with their connections and messages. */
export const byClients: readonly Attack[] = [
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
    what:
      "clients whose messages never end, in large fragments, in empty ones, or of a gigabyte, " +
      "registered and not",
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
        // Fast, but not so fast that the attacker's own work keeps this machine busy.
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
