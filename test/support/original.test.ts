import { describe, expect, it } from "vitest";
import { closingAfterEach } from "./cleanup.js";
import { OriginalClientRefused, startOriginalClient } from "./original-client.js";
import { startOriginalRelay } from "./original-relay.js";

// The scripted originals against each other. The tests of compat/ hold our ends to the behaviour shown here.
describe.each(["0.1", "0.2"] as const)("the scripted originals, version %s", (version) => {
  const closing = closingAfterEach();

  it("register, ask and answer", async () => {
    const relay = closing(await startOriginalRelay({ version }));
    const client = closing(
      await startOriginalClient({
        version,
        relayPort: relay.port,
        token: "t",
        subdomain: "name",
        onRequest: (reply) => {
          const headers = { "set-cookie": "a=1", "Set-Cookie": "b=2", Connection: "close" };
          reply.answer(
            201,
            headers,
            `${reply.request.method} ${reply.request.path} ${reply.body.toString()}`,
          );
        },
      }),
    );
    expect(client.url).toBe("https://name.tunnel.example");
    const tunnel = await relay.nextTunnel();
    expect(tunnel.registration).toEqual({ token: "t", subdomain: "name" });
    const { status, headers, body, broken } = await tunnel.request({
      method: "POST",
      path: "/a?b",
      body: "hello",
    }).answer;
    expect([status, body.toString(), broken]).toEqual([201, "POST /a?b hello", false]);
    expect(headers).toEqual([
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
    ]);
    expect(tunnel.skipped).toEqual([]);
  });

  it("skip what does not parse: an array for a header, a missing field", async () => {
    const relay = closing(await startOriginalRelay({ version }));
    closing(
      await startOriginalClient({
        version,
        relayPort: relay.port,
        token: "t",
        onRequest: (reply) => {
          const listed = { "set-cookie": ["a=1", "b=2"] } as unknown as Record<string, string>;
          reply.answer(200, listed, "not read");
          reply.answer(200, {}, "read");
        },
      }),
    );
    const tunnel = await relay.nextTunnel();
    const answer = await tunnel.request({}).answer;
    // In 0.2 only the head is skipped. Its chunks then belong to no response.
    expect(tunnel.skipped).toHaveLength(1);
    expect(answer).toMatchObject({ status: 200, headers: [], body: Buffer.from("read") });
  });

  it("offer and pick, refuse, evict", async () => {
    const offering = closing(await startOriginalRelay({ version, offer: ["a-*", "b"] }));
    const client = closing(
      await startOriginalClient({
        version,
        relayPort: offering.port,
        token: "t",
        pick: (names) => `picked-from-${names.join("+")}`,
      }),
    );
    expect(client.subdomain).toBe("picked-from-a-*+b");
    (await offering.nextTunnel()).evict();
    expect((await client.closed).code).toBe(4002);
    const refusing = closing(await startOriginalRelay({ version, refuse: "invalid token" }));
    await expect(startOriginalClient({ version, relayPort: refusing.port, token: "t" })).rejects.toEqual(
      new OriginalClientRefused(4001, "invalid token"),
    );
  });
});
