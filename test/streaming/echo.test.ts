import { once } from "node:events";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ByteChecker, bytesAt } from "../support/bytes.js";
import { memoryRise, tellsMemory } from "../support/memory.js";
import { startUpstream, type Upstream } from "../support/upstream.js";
import { body, type CommandTunnel, response, startTunnel } from "./support.js";

let upstream: Upstream;
let tunnel: CommandTunnel;
beforeAll(async () => {
  upstream = await startUpstream();
  tunnel = await startTunnel(upstream.port);
});
afterAll(async () => {
  await tunnel.close();
  await upstream.close();
});

/**
 * Sends the test body to the echo while its answer comes, and checks every byte. Returns the number of bytes
 * that came.
 */
async function echo(length: number, withLength: boolean): Promise<number> {
  const framing = withLength ? { "content-length": length } : { "transfer-encoding": "chunked" };
  const req = tunnel.request("/echo", { method: "POST", headers: framing });
  const answered = response(req).then(async (res) => {
    expect(res.statusCode).toBe(200);
    if (withLength) expect(res.headers["content-length"]).toBe(String(length));
    const checker = new ByteChecker();
    for await (const chunk of res) checker.update(chunk as Buffer);
    return checker.length;
  });
  for (let offset = 0; offset < length; offset += 65_536) {
    if (!req.write(bytesAt(offset, Math.min(65_536, length - offset)))) await once(req, "drain");
  }
  req.end();
  return answered;
}

describe("a body there and back", () => {
  const sizes = [0, 1, 65_535, 65_536, 65_537];

  it.each(sizes)("of %i bytes is the same, with its length", async (size) => {
    expect(await echo(size, true)).toBe(size);
  });

  it.each(sizes)("of %i bytes is the same, chunked", async (size) => {
    expect(await echo(size, false)).toBe(size);
  });

  it.skipIf(!tellsMemory)("of 100 MB is the same, and is nowhere held", { timeout: 60_000 }, async () => {
    const pids = [tunnel.relay.pid, tunnel.client.pid];
    // Memory that both processes need once: code, pools, the windows of a busy stream.
    await echo(20_000_000, true);
    const rises = await memoryRise(pids, async () => {
      expect(await echo(100_000_000, true)).toBe(100_000_000);
      expect(await echo(100_000_000, false)).toBe(100_000_000);
    });
    // About 15 MB were measured. A body that is held in memory would be 100 MB.
    for (const rise of rises) expect(rise).toBeLessThan(48_000_000);
  });

  it("comes back piece by piece while the request goes on", async () => {
    const req = tunnel.request("/echo", { method: "POST" });
    req.flushHeaders();
    const res = await response(req);
    const checker = new ByteChecker();
    res.on("data", (chunk: Buffer) => {
      checker.update(chunk);
      res.emit("checked");
    });
    for (const size of [1, 10, 5_000, 200_000, 1, 3_000_000, 7]) {
      const due = checker.length + size;
      req.write(bytesAt(checker.length, size));
      while (checker.length < due) await once(res, "checked");
    }
    req.end();
    await once(res, "end");
  });

  it("stays compressed as it is", async () => {
    const compressed = gzipSync(bytesAt(0, 300_000));
    const req = tunnel.request("/echo", {
      method: "POST",
      headers: { "content-encoding": "gzip", "content-length": compressed.length },
    });
    req.end(compressed);
    const res = await response(req);
    expect(res.headers).toMatchObject({
      "content-encoding": "gzip",
      "content-length": String(compressed.length),
    });
    expect((await body(res)).equals(compressed)).toBe(true);

    const download = tunnel.request("/gzip").end();
    expect(gunzipSync(await body(await response(download))).toString()).toBe("compressed ".repeat(100));
  });

  it("is the same 20 times at once", { timeout: 60_000 }, async () => {
    const lengths = await Promise.all(Array.from({ length: 20 }, (_, i) => echo(1_000_000 + i, i % 2 === 0)));
    expect(lengths).toEqual(Array.from({ length: 20 }, (_, i) => 1_000_000 + i));
  });
});
