import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { missingProgram } from "../support/requires.js";
import { type Nginx, startNginx } from "./support/nginx.js";
import { RawVisitor, statuses } from "./support/raw-visitor.js";
import { type RecordedRelay, startRecordedRelay } from "./support/servers.js";
import { type HostVector, readVectors } from "./support/vectors.js";

/**
 * The attack: a request names two hosts, or one that two readers take for different ones: in two Host fields, in an
 * absolute target besides Host, with userinfo, escapes or look-alikes. A cache, a filter or a proxy judges by the one, the
 * relay by the other, and the request reaches a tunnel it should not (J. Chen and others, "Host of Troubles", 2016).
 *
 * The defence: exactly one Host, of a strict grammar, that an absolute target has to repeat; the name is what stands
 * before exactly `.DOMAIN`.
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

describe.skipIf(missingProgram("nginx"))("behind nginx, which judges for itself", () => {
  let nginx: Nginx;
  beforeAll(async () => {
    nginx = await startNginx(world.port);
  });
  afterAll(() => nginx?.close());

  it("no vector reaches a tunnel that it may not reach", async () => {
    for (const vector of vectors) {
      world.client.requests.length = 0;
      const answer = await visit(nginx.port, vector);
      const [status] = statuses(answer);
      if (vector.expect === "tunnel:app") {
        expect([vector.host, status, world.client.requests.length]).toEqual([vector.host, 200, 1]);
      } else if (world.client.requests.length > 0) {
        // nginx has made an unambiguous request of it: then its Host is what the tunnel was chosen by.
        const hosts = world.client.requests.map(({ head }) => hostsOf(head.headers));
        expect([vector.host, hosts]).toEqual([vector.host, [["app.tunnel.test"]]]);
      }
    }
  });
});

function hostsOf(headers: readonly string[]): string[] {
  return headers.filter((_, i) => i % 2 === 1 && headers[i - 1]?.toLowerCase() === "host");
}
