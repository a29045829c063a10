import type { Attack } from "../attack.js";
import { requestHead } from "../field.js";
import { register } from "../wire.js";

/** Attacks by hostile visitors. */
export const byVisitors: readonly Attack[] = [
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
    leavesSockets: true,
    async run(field) {
      const chunk = Buffer.alloc(65_536);
      // With more of them, this machine's kernel runs out of memory for TCP: it holds all buffers of the four
      // connections in a row.
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
];
