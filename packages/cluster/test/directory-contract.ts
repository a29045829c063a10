import { closeCodes } from "mcp-tunnel-protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Directory } from "../src/directory.js";
import { FakeClaimant } from "./support/fake-claimant.js";

/** What a relay counts on, of every directory. `make` gives a new one that is empty. */
export function directoryContract(what: string, make: () => Directory | Promise<Directory>): void {
  describe(`${what} as a directory`, () => {
    const stops: (() => void)[] = [];
    let directory: Directory;

    beforeEach(async () => {
      directory = await make();
    });

    afterEach(() => {
      for (const stop of stops.splice(0)) stop();
    });

    const claim = async (claimant: FakeClaimant, mayEvict = true) =>
      directory.claim(claimant, { mayEvict, maxOwned: 100 });
    const find = async (name: string) => directory.find(name);

    /** Waits until the directory says that `name` has changed, after `action`. */
    async function change(name: string, action: () => unknown): Promise<void> {
      const told = new Promise<void>((resolve) => {
        stops.push(directory.watch((changed) => changed === name && resolve()));
      });
      await action();
      await told;
    }

    it("knows nobody at first", async () => {
      expect(await find("app")).toBeUndefined();
    });

    it("finds who has claimed a name, and no other name", async () => {
      const tunnel = new FakeClaimant("app", "a");
      expect(await claim(tunnel)).toEqual({ displaced: [] });
      expect(await find("app")).toBe(tunnel);
      expect(await find("ap")).toBeUndefined();
      expect(await find("App")).toBeUndefined();
    });

    it("finds names that objects have as well", async () => {
      expect(await find("constructor")).toBeUndefined();
      const tunnel = new FakeClaimant("constructor", "a");
      await claim(tunnel);
      expect(await find("constructor")).toBe(tunnel);
    });

    it("gives a name to its newest claimant, and says who has lost it", async () => {
      const first = new FakeClaimant("app", "a");
      const second = new FakeClaimant("app", "b");
      await claim(first);
      expect(await claim(second)).toEqual({ displaced: [first] });
      expect(await find("app")).toBe(second);
    });

    it("does not displace a tunnel of another client for one that may not evict", async () => {
      const holder = new FakeClaimant("app", "a");
      await claim(holder);
      const refused = { refused: { code: closeCodes.evicted, reason: expect.any(String) } };
      for (const other of [
        new FakeClaimant("app", "b"),
        new FakeClaimant("app", "a", "another token"),
        new FakeClaimant("app", undefined),
      ]) {
        expect(await claim(other, false)).toEqual(refused);
        await directory.release(other);
        expect(await find("app")).toBe(holder);
      }
    });

    it("gives a client that may not evict a free name, and the name of its own tunnel", async () => {
      const first = new FakeClaimant("app", "a");
      const second = new FakeClaimant("app", "a");
      expect(await claim(first, false)).toEqual({ displaced: [] });
      expect(await claim(second, false)).toEqual({ displaced: [first] });
      expect(await find("app")).toBe(second);
    });

    describe("with members of a pool", () => {
      const member = (instance: string, gate = "gate", owner = "token") =>
        new FakeClaimant("app", instance, owner, { pool: gate });
      const refused = (code: number) => ({ refused: { code, reason: expect.any(String) as string } });

      it("finds a pool, as long as there is a member, and displaces none for another one", async () => {
        const [first, second, third] = [member("a"), member("b"), member("c")];
        for (const one of [first, second, third]) expect(await claim(one)).toEqual({ displaced: [] });
        const found = await find("app");
        expect(found).toHaveProperty("pick");
        expect(found).not.toHaveProperty("open");
        for (const one of [first, second]) await change("app", () => directory.release(one));
        expect(await find("app")).toHaveProperty("pick");
        await directory.release(third);
        expect(await find("app")).toBeUndefined();
      });

      it("picks those that are there", async () => {
        const [first, second] = [member("a"), member("b", "gate")];
        await claim(first);
        await claim(second);
        first.isAway = true;
        directory.changed(first);
        const found = await find("app");
        if (found === undefined || !("pick" in found)) throw new Error("no pool was found");
        expect(found.isAway).toBe(false);
        expect((await found.pick([], []))?.route).toBe(second);
        expect(await found.pick([], [second])).toBeUndefined();
        second.isAway = true;
        expect(found.isAway).toBe(true);
      });

      it("knows the pool of clients without a gate", async () => {
        await claim(member("a", ""));
        expect(await claim(member("b", ""), false)).toEqual({ displaced: [] });
      });

      it("replaces the tunnel of a member's client, and no other", async () => {
        const [first, other, next] = [member("a"), member("b"), member("a")];
        await claim(first);
        await claim(other);
        expect(await claim(next, false)).toEqual({ displaced: [first] });
        await directory.release(first);
        await directory.release(other);
        const found = await find("app");
        if (found === undefined || !("pick" in found)) throw new Error("no pool was found");
        expect((await found.pick([], []))?.route).toBe(next);
      });

      it("displaces all of them for a client that wants the name alone, and that one for them", async () => {
        const members = [member("a"), member("b")];
        for (const one of members) await claim(one);
        const alone = new FakeClaimant("app", "c");
        expect(await claim(alone, false)).toEqual(refused(closeCodes.evicted));
        expect(await claim(alone)).toEqual({ displaced: members });
        expect(await find("app")).toBe(alone);
        expect(await claim(member("a"), false)).toEqual(refused(closeCodes.evicted));
        expect(await claim(member("a"))).toEqual({ displaced: [alone] });
      });

      it("displaces all of them for a pool of another token", async () => {
        const members = [member("a"), member("b")];
        for (const one of members) await claim(one);
        const stranger = member("a", "gate", "another token");
        expect(await claim(stranger, false)).toEqual(refused(closeCodes.evicted));
        expect(await claim(stranger)).toEqual({ displaced: members });
      });

      it("refuses for good a member with another gate, whatever its terms", async () => {
        const [first, second] = [member("a"), member("b")];
        await claim(first);
        for (const mayEvict of [true, false]) {
          expect(await claim(member("b", ""), mayEvict)).toEqual(refused(closeCodes.authenticationFailed));
        }
        await claim(second);
        expect(await claim(member("a", "other"))).toEqual(refused(closeCodes.authenticationFailed));
        await directory.release(second);
        expect(await claim(member("a", "other"))).toEqual({ displaced: [first] });
      });
    });

    it("settles claims at once one after another: each but the last is displaced by another", async () => {
      const tunnels = ["a", "b", "c"].map((instance) => new FakeClaimant("app", instance));
      const results = await Promise.all(tunnels.map((tunnel) => claim(tunnel)));
      const holder = await find("app");
      const displaced = results.map((result) => ("displaced" in result ? result.displaced.at(0) : result));
      expect(new Set([holder, ...displaced])).toEqual(new Set([undefined, ...tunnels]));
    });

    it("frees the name of a tunnel that is over", async () => {
      const tunnel = new FakeClaimant("app", "a");
      await claim(tunnel);
      await directory.release(tunnel);
      expect(await find("app")).toBeUndefined();
      await directory.release(tunnel);
      expect(await claim(tunnel)).toEqual({ displaced: [] });
    });

    it("does not take a name from the successor of a tunnel that is over", async () => {
      const first = new FakeClaimant("app", "a");
      const second = new FakeClaimant("app", "b");
      await claim(first);
      await claim(second);
      await directory.release(first);
      expect(await find("app")).toBe(second);
    });

    it("says when another look finds another route", async () => {
      const tunnel = new FakeClaimant("app", "a");
      tunnel.isAway = true;
      await claim(tunnel);
      await change("app", () => {
        tunnel.isAway = false;
        directory.changed(tunnel);
      });
      expect(await find("app")).toMatchObject({ isAway: false });
      await change("app", () => directory.release(tunnel));
      expect(await find("app")).toBeUndefined();
    });

    it("says so to all who watch, and not to those who have ended that", async () => {
      const tunnel = new FakeClaimant("app", "a");
      const told: string[] = [];
      const stop = directory.watch(() => told.push("first"));
      stops.push(directory.watch(() => told.push("second")));
      await claim(tunnel);
      await change("app", () => directory.changed(tunnel));
      expect(told).toContain("first");
      expect(told).toContain("second");
      stop();
      told.length = 0;
      await change("app", () => directory.release(tunnel));
      expect(told).not.toContain("first");
      expect(told).toContain("second");
    });
  });
}
