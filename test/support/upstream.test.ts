import { describe, expect, it } from "vitest";
import { request } from "undici";
import { ByteChecker, bytesAt } from "./bytes.js";
import { closingAfterEach } from "./cleanup.js";
import { startUpstream } from "./upstream.js";

describe("the local service of the tests", () => {
  const closing = closingAfterEach();

  it("sends the test body, whole, and echoes it in pieces", async () => {
    const upstream = closing(await startUpstream());
    const download = await request(`${upstream.url}/bytes/3000001`);
    const checker = new ByteChecker();
    for await (const chunk of download.body) checker.update(chunk);
    expect(checker.length).toBe(3_000_001);

    const body = bytesAt(0, 200_000);
    const echo = await request(`${upstream.url}/echo`, { method: "POST", body });
    expect(body.equals(await echo.body.bytes())).toBe(true);
  });

  it("notices a wrong byte and where it is", () => {
    const checker = new ByteChecker();
    checker.update(bytesAt(0, 100));
    const wrong = bytesAt(100, 50);
    wrong[7] = (wrong[7] as number) ^ 1;
    expect(() => checker.update(wrong)).toThrow(/^byte 107 is/);
  });

  it("tells of requests and of visitors who left", async () => {
    const upstream = closing(await startUpstream());
    const arrived = upstream.nextRequest();
    const aborted = upstream.nextAbort();
    const controller = new AbortController();
    const visit = request(`${upstream.url}/hang`, { signal: controller.signal });
    expect((await arrived).path).toBe("/hang");
    controller.abort();
    await expect(visit).rejects.toThrow();
    expect((await aborted).path).toBe("/hang");
  });
});
