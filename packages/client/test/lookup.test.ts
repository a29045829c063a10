import { lookup as systemLookup } from "node:dns";
import type { LookupFunction } from "node:net";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { createLookup } from "../src/forward/lookup.js";

vi.mock("node:dns", () => ({ lookup: vi.fn() }));

const system = vi.mocked(systemLookup) as unknown as ReturnType<typeof vi.fn>;
const loopback = [
  { address: "::1", family: 6 },
  { address: "127.0.0.1", family: 4 },
];

function ask(lookup: LookupFunction, hostname: string, all = true): Promise<unknown> {
  return new Promise((resolve, reject) =>
    lookup(hostname, { all }, (error, address) => (error === null ? resolve(address) : reject(error))),
  );
}

describe("the look-up of the local service", () => {
  beforeEach(() => {
    system.mockReset();
    system.mockImplementation(
      (_name: string, options: { all?: boolean }, callback: (...args: unknown[]) => void) =>
        process.nextTick(() => (options.all ? callback(null, loopback) : callback(null, "127.0.0.1", 4))),
    );
  });

  it("asks the system once for a name of this machine", async () => {
    const lookup = createLookup();
    expect(await ask(lookup, "localhost")).toEqual(loopback);
    expect(await ask(lookup, "localhost")).toEqual(loopback);
    expect(system).toHaveBeenCalledTimes(1);
  });

  it("asks again after a failure", async () => {
    const lookup = createLookup();
    system.mockImplementationOnce((_name: string, _options: object, callback: (error: Error) => void) =>
      process.nextTick(callback, Object.assign(new Error("EAI_AGAIN"), { code: "EAI_AGAIN" })),
    );
    await expect(ask(lookup, "localhost")).rejects.toThrow("EAI_AGAIN");
    expect(await ask(lookup, "localhost")).toEqual(loopback);
  });

  it("asks each time for another machine, whose address may change", async () => {
    const lookup = createLookup();
    await ask(lookup, "app.lan");
    await ask(lookup, "app.lan");
    expect(system).toHaveBeenCalledTimes(2);
  });

  it("leaves a question for a single address to the system", async () => {
    const lookup = createLookup();
    await ask(lookup, "localhost");
    expect(await ask(lookup, "localhost", false)).toBe("127.0.0.1");
  });
});
