import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { HostileRelay, hostsIn, wholeBody } from "./support/hostile-relay.js";
import { RawVisitor, statuses } from "./support/raw-visitor.js";
import { type RecordedRelay, startRecordedRelay } from "./support/servers.js";
import { type HostVector, readVectors } from "./support/vectors.js";

/**
 * The attack: a request names two hosts, or one host that two readers understand in different ways: by two
 * Host fields, an absolute target besides Host, userinfo, escapes or look-alikes. A cache, a filter or a
 * proxy judges by the one host and the relay by the other. Then the request reaches a tunnel that it should
 * not reach (J. Chen and others, "Host of Troubles", 2016).
 *
 * The defence: a request has exactly one Host, of a strict grammar, and an absolute target has to repeat it.
 * The tunnel's name is the text before exactly `.DOMAIN`.
 */
const { vectors } = readVectors("hosts");
const named = vectors.map((vector) => ({ ...vector, as: JSON.stringify([...vector.host, vector.target]) }));

let world: RecordedRelay;
beforeAll(async () => {
  world = await startRecordedRelay();
});
afterAll(() => world.close());
beforeEach(() => {
  world.client.requests.length = 0;
});

async function visit(port: number, { host, target }: HostVector): Promise<string> {
  const visitor = new RawVisitor({ port });
  const fields = host.map((value) => `Host: ${value}\r\n`).join("");
  visitor.send(`GET ${target} HTTP/1.1\r\n${fields}Connection: close\r\n\r\n`);
  return visitor.all();
}

/** The status that the relay has to answer with. */
function statusOf(expected: string): number {
  if (expected === "base" || expected === "tunnel:app") return 200;
  return expected.startsWith("tunnel:") ? 502 : Number(expected);
}

describe("at the relay", () => {
  it.each(named)("$as is $expect ($origin)", async (vector) => {
    const answer = await visit(world.port, vector);
    expect(statuses(answer)).toEqual([statusOf(vector.expect)]);
    expect(world.client.requests).toHaveLength(vector.expect === "tunnel:app" ? 1 : 0);
  });

  it("serves the next honest visitor", async () => {
    const answer = await visit(world.port, {
      host: ["app.tunnel.test"],
      target: "/",
      expect: "",
      origin: "",
    });
    expect(statuses(answer)).toEqual([200]);
  });
});

describe.each(["rewrite", "preserve"])(
  "at the client, whose relay was taken over, with --host-header %s",
  (hostHeader) => {
    let hostile: HostileRelay;
    beforeAll(async () => {
      hostile = await HostileRelay.start({ hostHeader });
    });
    afterAll(() => hostile.close());
    beforeEach(() => hostile.forget());

    it.each(named)("$as reaches the service with one Host, or not at all ($origin)", async ({ host }) => {
      const result = await hostile.send(["GET", "/", ...host.flatMap((value) => ["Host", value])].join("\n"));
      const own = `localhost:${hostile.service.port}`;
      const [seen = ""] = hostile.used;
      if (hostHeader === "preserve" && result === "refused") {
        expect(seen).toBe("");
        return;
      }
      expect(result).toBe("answered");
      // With "preserve" the service gets one value, unchanged, and never a second line.
      expect(hostsIn(seen)).toEqual([hostHeader === "rewrite" ? own : (host[0] ?? own)]);
      expect(wholeBody(seen)).toBe("");
    });
  },
);
