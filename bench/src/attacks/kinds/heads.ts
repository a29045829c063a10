import { once } from "node:events";
import type { Attack } from "../attack.js";
import { type Field, requestHead } from "../field.js";
import { HostileClient, type Wire } from "../hostile-client.js";
import { http2Requests } from "../http2.js";
import { bareFrame } from "../wire.js";

interface Answer {
  readonly wire: Wire;
  /** The message that answers the request with this id. */
  readonly to: (id: string) => Buffer | string;
}

/** A final head on v1: lines of names and values. */
const v1 = (fields: string): Answer => ({
  wire: "v1",
  to: (id) => bareFrame(0x04, Number(id), `200\n${fields}`),
});

/** A final head on the JSON wire: its fields as text. */
const json = (headers: string): Answer => ({
  wire: "json",
  to: (id) => `{"kind":"response_head","id":"${id}","status":200,"headers":${headers}}`,
});

/**
 * As many letters as a head has room for. They differ for as long as possible: `domainToASCII` takes seconds
 * for them.
 */
const letters = Array.from({ length: 80_000 }, (_, n) =>
  String.fromCodePoint(0x4e00 + ((n * 7_919) % 20_000)),
);
/** A letter with marks above and below it in the wrong order. */
const marks = `a${"\u0315".repeat(60_000)}${"\u0300".repeat(60_000)}`;
const dots = ".".repeat(250_000);
const cookies: readonly Answer[] = [
  v1(`Set-Cookie\ns=1; Domain=a${dots}a`),
  v1(`Set-Cookie\ns=1; Domain=${letters.join("")}`),
  v1(`Set-Cookie\ns=1; Domain=${marks}`),
  v1(`Set-Cookie\ns=1; Domain=localhost${";".repeat(100_000)}`),
  v1(`Set-Cookie\ns=1${";Domain=a".repeat(25_000)}`),
  v1(Array.from({ length: 10_000 }, () => "Set-Cookie\ns=1;Domain=a").join("\n")),
  v1(`Connection\n${"x,".repeat(50_000)}\n${Array.from({ length: 20_000 }, (_, n) => `x${n}\n`).join("\n")}`),
  json(`{"Set-Cookie":"s=1; Domain=a${dots}a"}`),
  json(`{"Set-Cookie":[${Array.from({ length: 100_000 }, () => '"s=1;Domain=a"').join(",")}]}`),
];

const fatHeads: readonly Answer[] = [
  json(`{"X-A":"${"a".repeat(13_000_000)}"}`),
  json(`{${Array.from({ length: 600_000 }, (_, n) => `"${n.toString(36)}":"b"`).join(",")}}`),
  // As many fields as fit into a frame of 256 KiB: each has a name of one letter and no value.
  v1(Array.from({ length: 87_000 }, () => "a\n").join("\n")),
];

/** Registers a client, visits its tunnel, and has the client give this answer. */
async function answerOnce(field: Field, i: number, { wire, to }: Answer): Promise<void> {
  const name = `head-${i % 50}`;
  const client = await HostileClient.register(field, i, name, wire);
  if (client === undefined) return;
  client.onRequest = (id) => client.say(to(id));
  const visitor = field.connect(i, 20);
  visitor.say(requestHead("GET /").replace("target.", `${name}.`));
  await visitor.head();
  visitor.socket.destroy();
  client.close();
}

/** Heads of answers that cost the relay far more work than they cost the client. */
export const byHeads: readonly Attack[] = [
  {
    name: "costly cookies",
    what:
      "clients, and a service, whose cookies take long to read: 250,000 dots, 80,000 letters or " +
      "120,000 accents in a `Domain`, 100,000 semicolons, 10,000 cookies",
    async run(field) {
      await field.paced(8, 16, async (i) => {
        if (i % 2 === 0) {
          await answerOnce(field, i, cookies[(i / 2) % cookies.length] as Answer);
          return;
        }
        const visitor = field.connect(i, 20);
        visitor.say(requestHead("GET /cookie/60000"));
        await visitor.head();
        visitor.socket.destroy();
      });
    },
  },
  {
    name: "fat heads",
    what:
      "clients whose answers have heads of 13 MB, of 600,000 fields in 7 MB (both JSON), " +
      "or of 87,000 fields in 256 KiB",
    async run(field) {
      await field.paced(4, 8, (i) => answerOnce(field, i, fatHeads[i % fatHeads.length] as Answer));
    },
  },
  {
    name: "interim heads",
    what:
      "a client that sends 20 MB of interim heads a second to visitors who read nothing, " +
      "over HTTP/1.1 and HTTP/2",
    tls: true,
    async run(field) {
      const client = await HostileClient.register(field, 0, "early", "v1");
      if (client === undefined) throw new Error("the hostile client was not let in");
      const streams: number[] = [];
      client.onRequest = (id) => streams.push(Number(id));
      // Node sends no larger heads over HTTP/2.
      const heads = [8_000, 30_000, 60_000].map((bytes) => `103\nLink\n</${"x".repeat(bytes)}>; rel=preload`);
      let sent = 0;
      const timer = setInterval(() => {
        for (let bytes = 0; bytes < 400_000 && client.backlog < 4_000_000 && streams.length > 0; sent++) {
          const head = heads[sent % heads.length] as string;
          client.say(bareFrame(0x03, streams[sent % streams.length] as number, head));
          bytes += head.length;
        }
      }, 20);
      await field.paced(5, 20, async (i) => {
        const alpn = i % 2 === 0 ? "h2" : "http/1.1";
        const visitor = field.connect(i, 1, { alpn });
        await Promise.race([once(visitor.socket, "secureConnect"), visitor.closed]);
        visitor.socket.pause();
        visitor.say(
          alpn === "h2"
            ? http2Requests("early.localhost", "/", 20)
            : requestHead("GET /").replace("target.", "early."),
        );
        await visitor.closed;
      });
      clearInterval(timer);
    },
  },
];
