import { closeCodes } from "mcp-tunnel-protocol";
import { linkedPair, type MemoryLink } from "mcp-tunnel-protocol/testing";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { splice } from "../src/splice/splice.js";
import { settle } from "./support/test-cluster.js";

/** What has come at one end. */
class End {
  readonly link: MemoryLink;
  readonly heard: (Buffer | string)[] = [];
  closed: [code: number, reason: string] | undefined;

  constructor(link: MemoryLink) {
    this.link = link;
    link.handler = {
      onMessage: (message) => this.heard.push(message),
      onClose: (...closed) => {
        this.closed = closed;
      },
    };
  }
}

/** A client and the relay with its session, joined by the relay between them. */
function setUp(first = "first") {
  const [clientEnd, clientLink] = linkedPair();
  const [ownerEnd, ownerLink] = linkedPair();
  const client = new End(clientEnd);
  const owner = new End(ownerEnd);
  const join = (): void =>
    splice(clientLink, ownerLink, first, { pingIntervalMs: 1_000, pingTimeoutMs: 500 });
  return { client, owner, clientLink, ownerLink, join };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 100) {
    // oxlint-disable-next-line no-await-in-loop -- one step after the other
    await vi.advanceTimersByTimeAsync(100);
    // oxlint-disable-next-line no-await-in-loop
    await settle();
  }
}

describe("a splice", () => {
  it("passes the first message on as it came, then what was said meanwhile, then the rest both ways", async () => {
    const { client, owner, join } = setUp('{ "token":"t" }');
    client.link.send("meanwhile");
    await settle();
    join();
    client.link.send(Buffer.from([0, 255]));
    owner.link.send("text");
    owner.link.send(Buffer.from("bytes"));
    await settle();
    expect(owner.heard).toEqual(['{ "token":"t" }', "meanwhile", Buffer.from([0, 255])]);
    expect(client.heard).toEqual(["text", Buffer.from("bytes")]);
  });

  it.each(["client", "owner"] as const)("passes the close code of the %s on", async (from) => {
    const { join, ...ends } = setUp();
    join();
    const to = from === "client" ? "owner" : "client";
    ends[from].link.send("last");
    ends[from].link.close(closeCodes.evicted, "evicted");
    await settle();
    expect(ends[to].heard.at(-1)).toBe("last");
    expect(ends[to].closed).toEqual([closeCodes.evicted, "evicted"]);
  });

  it.each(["client", "owner"] as const)("cuts the other link when that of the %s is cut", async (from) => {
    const { join, ...ends } = setUp();
    join();
    ends[from].link.terminate();
    await settle();
    expect(ends[from === "client" ? "owner" : "client"].closed?.[0]).toBe(1_006);
  });

  it("cuts the other link as well when a code comes that nobody may send", async () => {
    const { client, ownerLink, join } = setUp();
    join();
    ownerLink.handler?.onClose(1_005, "");
    await settle();
    expect(client.closed?.[0]).toBe(1_006);
  });

  it("lets messages that came in one piece leave in one", async () => {
    const { client, ownerLink, join } = setUp();
    join();
    const calls: string[] = [];
    ownerLink.cork = () => void calls.push("cork");
    ownerLink.uncork = () => void calls.push("uncork");
    const send = ownerLink.send.bind(ownerLink);
    ownerLink.send = (message) => {
      calls.push(String(message));
      send(message);
    };
    for (const text of ["1", "2", "3"]) client.link.send(text);
    await settle();
    expect(calls).toEqual(["cork", "1", "2", "3", "uncork"]);
  });

  describe.each([
    ["to the owner", "clientLink", "ownerLink", "client", "owner"],
    ["to the client", "ownerLink", "clientLink", "owner", "client"],
  ] as const)("%s", (_what, fromLink, toLink, from, to) => {
    it("reads no more than the next link takes", async () => {
      const { join, ...ends } = setUp();
      join();
      await settle();
      ends[to].heard.length = 0;
      ends[toLink].bufferedBytes = 300_000;
      for (const text of ["1", "2", "3"]) {
        ends[from].link.send(text);
        // oxlint-disable-next-line no-await-in-loop -- one message after the other
        await settle();
      }
      expect(ends[to].heard).toEqual(["1"]);
      expect(ends[fromLink].inbox).toEqual(["2", "3"]);
      // The other direction goes on.
      ends[to].link.send("back");
      await settle();
      expect(ends[from].heard).toContain("back");
      ends[toLink].bufferedBytes = 0;
      ends[toLink].handler?.onDrain?.();
      await settle();
      expect(ends[to].heard).toEqual(["1", "2", "3"]);
    });

    it("cuts a peer that is silent, but not one that is not read", async () => {
      const { join, ...ends } = setUp();
      join();
      await settle();
      await pass(3_000);
      ends[fromLink].ping = () => {};
      ends[toLink].bufferedBytes = 300_000;
      ends[from].link.send("the last word");
      await pass(5_000);
      expect(ends[to].closed).toBeUndefined();
      ends[toLink].bufferedBytes = 0;
      ends[toLink].handler?.onDrain?.();
      await pass(400);
      expect(ends[to].closed).toBeUndefined();
      await pass(200);
      expect(ends[to].closed?.[0]).toBe(1_006);
      expect(ends[from].closed?.[0]).toBe(1_006);
    });
  });

  it("pings nobody after it is over", async () => {
    const { client, clientLink, ownerLink, join } = setUp();
    join();
    client.link.close(closeCodes.normal, "");
    await settle();
    let pings = 0;
    for (const link of [clientLink, ownerLink]) link.ping = () => (pings += 1);
    await pass(5_000);
    expect(pings).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});
