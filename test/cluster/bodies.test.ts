import { createHash, randomInt } from "node:crypto";
import { Readable } from "node:stream";
import { request } from "undici";
import { describe, expect, it } from "vitest";
import { bytesAt, ByteChecker } from "../support/bytes.js";
import { closingAfterEach } from "../support/cleanup.js";
import { eventually } from "./support/eventually.js";
import { isWhole, note, repetitions } from "./support/figures.js";
import type { Gate } from "./support/gate.js";
import { visit } from "./support/visitors.js";
import { noCluster, World } from "./support/world.js";

const closing = closingAfterEach();
const roomy = ["--max-request-body", "200000000", "--max-response-body", "200000000"];
const sizes = [1, 1_000, 65_536, 1_000_003, 20_000_000, ...(isWhole ? [104_857_600] : [])];
const cuts = repetitions(8, 100);

/** The test body, piece by piece. */
function* pieces(length: number): Generator<Buffer> {
  for (let at = 0; at < length; at += 65_536) yield bytesAt(at, Math.min(65_536, length - at));
}

function sha256Of(length: number): string {
  const hash = createHash("sha256");
  for (const piece of pieces(length)) hash.update(piece);
  return hash.digest("hex");
}

/** Uploads to the hashing service. @throws AssertionError unless every byte arrived, in order. */
async function upload(port: number, length: number): Promise<void> {
  const { status, text } = await visit(port, "app", "/hash", {
    method: "POST",
    body: Readable.from(pieces(length)),
  });
  expect({ status, ...(JSON.parse(text) as object) }).toEqual({
    status: 200,
    length,
    sha256: sha256Of(length),
  });
}

async function download(port: number, length: number): Promise<void> {
  const answer = await request(`http://127.0.0.1:${port}/bytes/${length}`, {
    headers: { host: "app.localhost" },
  });
  const checker = new ByteChecker();
  for await (const chunk of answer.body) checker.update(chunk as Buffer);
  expect({ status: answer.statusCode, length: checker.length }).toEqual({ status: 200, length });
}

describe.skipIf(noCluster)("bodies over the hop", () => {
  it(`arrive whole: ${sizes.join(", ")} bytes`, async () => {
    const world = closing(await World.start({ relays: 2, args: roomy }));
    await world.client("app", { at: world.relay(0) });
    const front = world.relay(1).port;
    for (const size of sizes) await Promise.all([upload(front, size), download(front, size)]);
  }, 120_000);

  it(
    `lose nothing when links are reset at any byte (${cuts} times)`,
    async () => {
      const world = closing(await World.start({ relays: 2, args: roomy }));
      const [owner, front] = [world.relay(0), world.relay(1)];
      await world.client("app", { at: owner });
      const struck = { client: 0, peer: 0 };
      for (let i = 0; i < cuts; i++) {
        const size = 10 ** randomInt(2, 7) + randomInt(1_000);
        const cut = (gate: Gate): void => gate.cutAfter(i % 2 === 0 ? "up" : "down", randomInt(size));
        const isPeer = i % 4 < 2;
        const gate = isPeer ? owner.peerGate : world.clients;
        cut(gate);
        await Promise.all([upload(front.port, size), download(front.port, size)]);
        if (gate.clearCut()) struck[isPeer ? "peer" : "client"] += 1;
        // A link that lasts for less than 300 ms counts as none, and clients wait longer after each of these.
        await visit(front.port, "app", "/slow?ms=300");
      }
      expect(struck.client).toBeGreaterThan(0);
      expect(struck.peer).toBeGreaterThan(0);
      note({
        failure: "Resets at any byte of a body over the hop (1 B to 10 MB, both ways at once)",
        repetitions: struck.client + struck.peer,
        visitor: `every byte arrived (${struck.peer} resets between relays, ${struck.client} of the client's link)`,
        client: "resumes",
      });
    },
    60_000 + cuts * 10_000,
  );

  it("end at the service when the visitor is reset, and leave nothing open", async () => {
    const world = closing(await World.start({ relays: 2, args: roomy }));
    const [owner, front] = [world.relay(0), world.relay(1)];
    await world.client("app", { at: owner });
    for (let i = 0; i < repetitions(5, 50); i++) {
      const leaving = new AbortController();
      const gone = world.service.nextAbort();
      const asked = world.service.nextRequest();
      const body = Readable.from(pieces(50_000_000));
      const { signal } = leaving;
      const sent = visit(front.port, "app", "/hash", { method: "POST", body, signal }).catch(
        (error: unknown) => error,
      );
      await asked;
      leaving.abort();
      expect(await sent).toBeInstanceOf(Error);
      await gone;
    }
    const open = async (): Promise<boolean> =>
      (await owner.gauge("requests", { direction: "in" })) === 0 &&
      (await front.gauge("requests", { direction: "out" })) === 0;
    await eventually(open, "no request is open between the relays");
  }, 120_000);
});
