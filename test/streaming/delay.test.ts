import { expect, it } from "vitest";
import { ByteChecker, bytesAt } from "../support/bytes.js";
import { closingAfterEach } from "../support/cleanup.js";
import { startInProcess } from "../support/in-process.js";
import { startUpstream } from "../support/upstream.js";

const closing = closingAfterEach();

it("one transfer uses more of a link of 400 ms than a window for each round trip", {
  timeout: 60_000,
}, async () => {
  const upstream = closing(await startUpstream());
  const limits = { maxRequestBodyBytes: 1_000_000_000, maxResponseBodyBytes: 1_000_000_000 };
  const tunnel = closing(await startInProcess({ upstreamPort: upstream.port, relay: limits, faults: true }));
  const { proxy, client } = tunnel;
  if (proxy === undefined) throw new Error("no proxy");
  proxy.delayMs = 200;
  // A new link, so that the round-trip time is measured anew.
  const back = new Promise<void>((resolve) => client.on("connected", () => resolve()));
  proxy.cut();
  await back;

  const length = 32 * 1_048_576;
  /** The time with the first window: a mebibyte for each round trip. */
  const heldBackMs = 32 * 400;

  const startedAtMs = performance.now();
  const download = await tunnel.visit(`/bytes/${length}`);
  const checker = new ByteChecker();
  for await (const chunk of download.body) checker.update(chunk as Buffer);
  expect(checker.length).toBe(length);
  const downloadMs = performance.now() - startedAtMs;

  const uploadedAtMs = performance.now();
  const upload = await tunnel.visit("/hash", { method: "POST", body: bytesAt(0, length) });
  expect(await upload.body.json()).toMatchObject({ length });
  const uploadMs = performance.now() - uploadedAtMs;
  // About a quarter of this was measured, on two busy cores.
  expect(downloadMs).toBeLessThan(heldBackMs);
  expect(uploadMs).toBeLessThan(heldBackMs);
});
