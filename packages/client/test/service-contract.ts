import { describe, expect, it, vi } from "vitest";
import { closingAfterEach } from "../../../test/support/cleanup.js";
import { bytesAt } from "../../../test/support/bytes.js";
import { expectNoLeaks } from "../../../test/support/leaks.js";
import type { TunnelClientOptions } from "../src/options.js";
import { floodChunk, newSeen } from "./contract-app.js";
import type { Seen } from "./contract-app.js";
import { startRig, upload, visit } from "./relay-side.js";
import type { Rig } from "./relay-side.js";

/**
 * The parts of HTTP that a form of service carries beside requests and their answers. The suite shows that a
 * service leaves out the parts that it does not carry.
 */
export interface Carried {
  readonly upgrades: boolean;
  readonly interim: boolean;
  readonly trailers: boolean;
}

/**
 * Serves the application of contract-app.ts in some form. A client that is given `options` serves that form.
 */
export type ServeApp = (
  seen: Seen,
) => Promise<{ readonly options: Partial<TunnelClientOptions>; close(): Promise<void> }>;

const upgrade = {
  path: "/upgrade",
  upgrade: true,
  headers: ["Host", "demo.relay.test", "Connection", "Upgrade", "Upgrade", "echo/1"],
  body: "open" as const,
};

/** The duties of every service, whatever it does with a request. */
export function serviceContract(name: string, serve: ServeApp, carried: Carried): void {
  const closing = closingAfterEach();

  async function start(sendWindow?: number): Promise<{ seen: Seen; rig: Rig }> {
    const seen = newSeen();
    const served = closing(await serve(seen));
    return { seen, rig: closing(startRig(served.options, sendWindow)) };
  }

  /** Waits until nothing is at work any more and every exchange was reported once. */
  async function settled(rig: Rig, exchanges: number): Promise<void> {
    await vi.waitFor(() => expect(rig.service.open).toBe(0));
    await vi.waitFor(() => expect(rig.events.length).toBe(exchanges));
    expect(rig.relay.streamCount).toBe(0);
  }

  describe(name, () => {
    it("answers with status, fields as they are, and a body", async () => {
      const { rig } = await start();
      const done = await visit(rig.relay, { path: "/hello" }).complete();
      expect([done.head?.status, done.text]).toEqual([200, "hello"]);
      const fields = done.head?.headers.map((text) => text.toLowerCase()) ?? [];
      const pairs = fields.flatMap((field, i) => (i % 2 === 0 ? [`${field}: ${fields.at(i + 1)}`] : []));
      expect(pairs).toEqual(expect.arrayContaining(["x-odd: \xe4", "set-cookie: a=1", "set-cookie: b=2"]));
      await settled(rig, 1);
      expect(rig.events[0]).toMatchObject({
        path: "/hello",
        status: 200,
        responseBytes: 5,
        error: undefined,
      });
    });

    it.each([0, 1, 65_536, 3_000_000])("echoes a body of %i bytes, both ways at once", async (length) => {
      const { rig } = await start();
      const headers = length % 2 === 0 ? ["Content-Length", String(length)] : [];
      const stream = visit(rig.relay, { method: "POST", path: "/echo", headers, body: "open" });
      await upload(stream, length).done;
      expect((await stream.complete()).body.equals(bytesAt(0, length))).toBe(true);
      await settled(rig, 1);
      expect(rig.events[0]).toMatchObject({ requestBytes: length, responseBytes: length, error: undefined });
    });

    it("starts to answer while the request still comes", async () => {
      const { rig } = await start();
      const stream = visit(rig.relay, { method: "POST", path: "/echo", body: "open" });
      stream.stream.write(Buffer.from("one"));
      await stream.until(() => stream.text === "one");
      stream.stream.write(Buffer.from(" two"));
      await stream.until(() => stream.text === "one two");
      stream.stream.end();
      await stream.complete();
      await settled(rig, 1);
    });

    it.each([204, 304])("knows that a %i has no body", async (status) => {
      const { rig } = await start();
      const done = await visit(rig.relay, { path: `/status/${status}` }).complete();
      expect([done.head?.status, done.body.length]).toEqual([status, 0]);
      await settled(rig, 1);
    });

    it("answers HEAD without the body", async () => {
      const { rig } = await start();
      const done = await visit(rig.relay, { method: "HEAD", path: "/hello" }).complete();
      expect([done.head?.status, done.body.length]).toEqual([200, 0]);
      await settled(rig, 1);
    });

    it("serves many at once, and counts them", async () => {
      const { rig } = await start();
      const held = Array.from({ length: 20 }, () => visit(rig.relay, { path: "/part" }));
      await Promise.all(held.map((one) => one.until(() => one.text === "part")));
      expect(rig.service.open).toBe(20);
      const others = Array.from({ length: 20 }, () => visit(rig.relay, { path: "/hello" }).complete());
      for (const { text } of await Promise.all(others)) expect(text).toBe("hello");
      for (const { stream } of held) stream.reset("cancelled");
      await settled(rig, 40);
    });

    it("stops when the visitor takes no more, and goes on when he does", async () => {
      const { seen, rig } = await start(65_536);
      const stream = visit(rig.relay, { path: "/flood" });
      stream.reading = false;
      const calm = async (): Promise<number> => {
        for (let last = -1; ; ) {
          await new Promise((resolve) => setTimeout(resolve, 50));
          if (seen.flooded > 0 && seen.flooded === last) return last;
          last = seen.flooded;
        }
      };
      const stopped = await calm();
      // The window and the buffers of two kernels hold this much.
      expect(stopped).toBeLessThan(8 * 1024 * 1024);
      stream.reading = true;
      stream.stream.consumed(stream.body.length);
      await vi.waitFor(() => expect(seen.flooded).toBeGreaterThan(stopped + 4 * floodChunk.length));
      stream.stream.reset("cancelled");
      await settled(rig, 1);
    });

    it("holds the visitor up while the request is not read", async () => {
      const { seen, rig } = await start();
      const length = 20_000_000;
      const stream = visit(rig.relay, { method: "POST", path: "/sip", body: "open" });
      const progress = upload(stream, length);
      await vi.waitFor(() => expect(seen.readOn).toBeDefined());
      let last = -1;
      while (progress.written !== last) {
        last = progress.written;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      expect(progress.written).toBeLessThan(length);
      seen.readOn?.();
      await progress.done;
      expect((await stream.complete()).text).toBe(String(length));
      await settled(rig, 1);
    });

    it("may answer before it has read the request", async () => {
      const { rig } = await start();
      const stream = visit(rig.relay, { method: "POST", path: "/early", body: "open" });
      stream.stream.write(Buffer.from("a"));
      const done = await stream.complete();
      expect([done.head?.status, done.text]).toEqual([413, "too much"]);
      await stream.until(() => stream.reset !== undefined);
      expect(stream.reset?.code).toBe("no_error");
      await settled(rig, 1);
      expect(rig.events[0]).toMatchObject({ status: 413, error: undefined });
    });

    it("that fails before its head is an error of the relay's", async () => {
      const { rig } = await start();
      const reset = await visit(rig.relay, { path: "/throw" }).cut();
      expect(reset.code).toBe("upstream_failed");
      expect(reset.message).not.toContain("secret");
      await settled(rig, 1);
      expect(rig.events[0]).toMatchObject({ status: 502, error: { code: "upstream_failed" } });
    });

    it("that fails after its head cuts the answer off", async () => {
      const { rig } = await start();
      const stream = visit(rig.relay, { path: "/cut" });
      const reset = await stream.cut();
      expect([stream.head?.status, stream.text, reset.code]).toEqual([200, "part", "upstream_failed"]);
      expect(reset.message).not.toContain("secret");
      await settled(rig, 1);
      expect(rig.events[0]).toMatchObject({ status: 200, error: { code: "upstream_failed" } });
    });

    describe("when the visitor leaves", () => {
      it("at once", async () => {
        const { rig } = await start();
        for (let i = 0; i < 10; i++) visit(rig.relay, { path: "/hang" }).stream.reset("cancelled");
        await settled(rig, 10);
        expect(rig.events.map(({ error }) => error?.code)).toEqual(Array(10).fill("cancelled"));
      });

      it("before the answer", async () => {
        const { seen, rig } = await start();
        const stream = visit(rig.relay, { path: "/hang" });
        await vi.waitFor(() => expect(rig.service.open).toBe(1));
        // A second request is answered only when the first has reached the application.
        await visit(rig.relay, { path: "/hello" }).complete();
        stream.stream.reset("cancelled");
        await vi.waitFor(() => expect(seen.aborted).toContain("/hang"));
        await settled(rig, 2);
      });

      it("within his request", async () => {
        const { seen, rig } = await start();
        const stream = visit(rig.relay, { method: "POST", path: "/echo", body: "open" });
        stream.stream.write(Buffer.from("begun"));
        await stream.until(() => stream.text === "begun");
        stream.stream.reset("cancelled");
        await vi.waitFor(() => expect(seen.aborted).toContain("/echo"));
        await settled(rig, 1);
      });

      it("within the answer", async () => {
        const { seen, rig } = await start();
        const stream = visit(rig.relay, { path: "/part" });
        await stream.until(() => stream.text === "part");
        stream.stream.reset("cancelled");
        await vi.waitFor(() => expect(seen.aborted).toContain("/part"));
        await settled(rig, 1);
        expect(rig.events[0]).toMatchObject({ status: 200, error: { code: "cancelled" } });
      });
    });

    if (carried.interim) {
      it("carries interim heads", async () => {
        const { rig } = await start();
        const done = await visit(rig.relay, { path: "/hints" }).complete();
        expect(done.interims).toMatchObject([{ status: 103 }]);
        expect(done.text).toBe("hinted");
        await settled(rig, 1);
      });
    }

    it("answers an expectation before it reads the body", async () => {
      const { rig } = await start();
      const headers = ["Expect", "100-continue", "Content-Length", "3"];
      const stream = visit(rig.relay, { method: "POST", path: "/echo", headers, body: "open" });
      await stream.until(() => stream.interims.length > 0);
      expect(stream.interims).toMatchObject([{ status: 100 }]);
      stream.stream.write(Buffer.from("now"));
      stream.stream.end();
      expect((await stream.complete()).text).toBe("now");
      await settled(rig, 1);
    });

    it(`${carried.trailers ? "carries" : "leaves out"} trailers`, async () => {
      const { rig } = await start();
      const headers = ["Trailer", "X-Late"];
      const stream = visit(rig.relay, { method: "POST", path: "/got", headers, body: "open" });
      stream.stream.write(Buffer.from("body"));
      stream.stream.end(["X-Late", "1"]);
      const { trailers } = JSON.parse((await stream.complete()).text) as { trailers: string[] };
      expect(trailers).toEqual(carried.trailers ? ["X-Late", "1"] : []);
      if (carried.trailers) {
        const answer = await visit(rig.relay, { path: "/trailers" }).complete();
        expect([answer.text, answer.trailers]).toEqual(["body", ["X-Sum", "1"]]);
      }
      await settled(rig, carried.trailers ? 2 : 1);
    });

    if (carried.upgrades) {
      it("carries an upgraded connection, each direction ended by itself", async () => {
        const { rig } = await start();
        const stream = visit(rig.relay, upgrade);
        await stream.until(() => stream.head !== undefined);
        expect(stream.head).toEqual({ status: 101, headers: ["Connection", "Upgrade", "Upgrade", "echo/1"] });
        await upload(stream, 1_000_000).done;
        expect((await stream.complete()).body.equals(bytesAt(0, 1_000_000))).toBe(true);
        await settled(rig, 1);
        expect(rig.events[0]).toMatchObject({
          status: 101,
          requestBytes: 1_000_000,
          responseBytes: 1_000_000,
          error: undefined,
        });
      });

      it("ends an upgraded connection that the visitor leaves", async () => {
        const { seen, rig } = await start();
        const stream = visit(rig.relay, upgrade);
        await stream.until(() => stream.head !== undefined);
        stream.stream.reset("cancelled");
        await vi.waitFor(() => expect(seen.aborted).toContain("/upgrade"));
        await settled(rig, 1);
      });
    } else {
      it("takes a request to upgrade for an ordinary one", async () => {
        const { rig } = await start();
        const stream = visit(rig.relay, { ...upgrade, path: "/hello" });
        expect((await stream.complete()).head?.status).toBe(200);
        await settled(rig, 1);
      });
    }

    it("cuts what is open when it is closed, and leaves nothing behind", async () => {
      await expectNoLeaks(async () => {
        const seen = newSeen();
        const served = await serve(seen);
        const rig = startRig(served.options);
        const [hanging, part] = [visit(rig.relay, { path: "/hang" }), visit(rig.relay, { path: "/part" })];
        await part.until(() => part.text === "part");
        const upgraded = carried.upgrades ? visit(rig.relay, upgrade) : undefined;
        await upgraded?.until(() => upgraded.head !== undefined);
        await rig.service.close();
        const open = [hanging, part, ...(upgraded === undefined ? [] : [upgraded])];
        for (const stream of open) expect((await stream.cut()).code).toBe("upstream_failed");
        await settled(rig, open.length);
        await rig.close();
        await served.close();
      });
    });
  });
}
