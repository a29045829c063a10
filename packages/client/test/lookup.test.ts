import type * as Dns from "node:dns";
import { lookup as systemLookup } from "node:dns";
import type { LookupFunction } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { startUpstream } from "../../../test/support/upstream.js";
import { createLookup } from "../src/forward/lookup.js";
import { startRig, visit } from "./relay-side.js";

vi.mock("node:dns", async (original) => {
  const dns = await original<typeof Dns>();
  return { ...dns, lookup: vi.fn(dns.lookup) };
});

const system = vi.mocked(systemLookup) as unknown as ReturnType<typeof vi.fn>;
const loopback = [
  { address: "::1", family: 6 },
  { address: "127.0.0.1", family: 4 },
];

interface Question {
  all?: boolean;
  family?: number;
}

function ask(lookup: LookupFunction, hostname: string, question: Question = { all: true }): Promise<unknown> {
  return new Promise((resolve, reject) =>
    lookup(hostname, question, (error, address) => (error === null ? resolve(address) : reject(error))),
  );
}

describe("the look-up of the local service", () => {
  const closing = closingAfterEach();

  beforeEach(() => {
    system.mockClear();
  });

  it.each(["/headers", "*"])("is used for a request to %s", async (path) => {
    const upstream = closing(await startUpstream());
    const rig = closing(startRig({ port: upstream.port }));
    await visit(rig.relay, { method: path === "*" ? "OPTIONS" : "GET", path }).complete();
    expect(system).toHaveBeenCalledTimes(1);
  });
});

describe("createLookup", () => {
  let answer = loopback;

  beforeEach(() => {
    answer = loopback;
    vi.useFakeTimers({ toFake: ["performance"] });
    system.mockReset();
    system.mockImplementation(
      (_name: string, { all }: Question, callback: (...args: unknown[]) => void): void =>
        process.nextTick(() => (all ? callback(null, answer) : callback(null, "127.0.0.1", 4))),
    );
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  it("keeps the addresses of this machine for ten seconds", async () => {
    const lookup = createLookup();
    expect(await ask(lookup, "localhost")).toEqual(loopback);
    vi.advanceTimersByTime(9_999);
    expect(await ask(lookup, "localhost")).toEqual(loopback);
    expect(system).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(1);
    expect(await ask(lookup, "localhost")).toEqual(loopback);
    expect(system).toHaveBeenCalledTimes(2);
  });

  it("asks again after a failure", async () => {
    const lookup = createLookup();
    system.mockImplementationOnce((_name: string, _question: Question, callback: (error: Error) => void) =>
      process.nextTick(callback, new Error("EAI_AGAIN")),
    );
    await expect(ask(lookup, "localhost")).rejects.toThrow("EAI_AGAIN");
    expect(await ask(lookup, "localhost")).toEqual(loopback);
  });

  it("asks each time for what is not of this machine, whatever its name", async () => {
    const lookup = createLookup();
    answer = [...loopback, { address: "172.17.0.2", family: 4 }];
    await ask(lookup, "app.localhost");
    await ask(lookup, "app.localhost");
    expect(system).toHaveBeenCalledTimes(2);
  });

  it("does not answer for another name, a family or a single address", async () => {
    const lookup = createLookup();
    await ask(lookup, "localhost");
    await ask(lookup, "other.localhost");
    await ask(lookup, "other.localhost", { all: true, family: 4 });
    expect(await ask(lookup, "other.localhost", { all: false })).toBe("127.0.0.1");
    expect(system).toHaveBeenCalledTimes(4);
  });
});
