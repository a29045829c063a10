import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { missingProgram } from "../support/requires.js";
import { Chain, type Visit } from "./support/chain.js";
import { nginxVersion } from "./support/nginx.js";
import { bodyOf, bytesOf, readVectors, type RequestVector } from "./support/vectors.js";

/**
 * The vectors once more where most relays run: behind nginx, with a client and a service that all keep their
 * connections. The attacks on hosts, framing and paths need two readers in a row. nginx judges for itself.
 * Every request that it passes on must come out as if the relay had received nothing else. The vectors list
 * the requests that nginx refuses.
 */
/** The version of nginx (Debian's) with which the vectors' `nginx` was recorded. */
const recordedVersion = "1.22.1";

describe.skipIf(missingProgram("nginx"))("behind nginx", () => {
  let chain: Chain;
  beforeAll(async () => {
    chain = await Chain.start();
  });
  afterAll(() => chain?.close());

  /** `recorded`: the outcome with nginx in front. `expected`: without it. */
  function expectOutcome(outcome: string, recorded: string | undefined, expected: string): void {
    // Another release of nginx may refuse more or fewer requests than the recorded one. Nothing else may
    // differ.
    if (nginxVersion() === recordedVersion) expect(outcome).toBe(recorded ?? expected);
    else expect([recorded ?? expected, expected, "refuses"]).toContain(outcome);
  }

  /**
   * Sends a request over the connections that nginx and the client have kept. A poisoned connection would
   * give another answer.
   */
  async function expectCleanNext(): Promise<void> {
    const path = `/canary-${Math.random().toString(36).slice(2)}`;
    const next = await chain.visit(chain.nginx.port, `GET ${path} HTTP/1.1\r\nHost: app.tunnel.test\r\n\r\n`);
    expect(next.requests.filter((request) => request.path !== "/vector")).toMatchObject([
      { method: "GET", path, body: "", whole: true },
    ]);
    expect(next.received).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(next.received.endsWith(`answer to ${path}`)).toBe(true);
  }

  describe("hosts", () => {
    const { vectors } = readVectors("hosts");
    const named = vectors.map((vector) => ({
      ...vector,
      as: JSON.stringify([...vector.host, vector.target]),
    }));

    it.each(named)("$as is $expect ($origin)", async ({ host, target, expect: expected, nginx }) => {
      const fields = host.map((value) => `Host: ${value}\r\n`).join("");
      const visit = await chain.visit(
        chain.nginx.port,
        `GET ${target} HTTP/1.1\r\n${fields}Connection: close\r\n\r\n`,
      );
      expectOutcome(
        outcomeOf(visit),
        nginx,
        expected.startsWith("tunnel:") && expected !== "tunnel:app" ? "502" : expected,
      );
    });

    function outcomeOf({ byNginx, requests, status }: Visit): string {
      if (byNginx) return "refuses";
      if (requests.length === 0) return status === 200 ? "base" : String(status);
      expect(requests).toHaveLength(1);
      const { rawHeaders } = requests[0] as Visit["requests"][number];
      // The host that the service gets is the one by which the relay chose the tunnel.
      const forwarded = rawHeaders.findIndex((name) => name.toLowerCase() === "x-forwarded-host") + 1;
      expect(rawHeaders[forwarded]).toMatch(/^app\.tunnel\.test\.?(?::\d*)?$/i);
      return "tunnel:app";
    }
  });

  describe("requests in which another may hide", () => {
    const { vectors } = readVectors("smuggling");

    it.each(vectors)("$name: $expect ($origin)", async (vector) => {
      const visit = await chain.visit(chain.nginx.port, bytesOf(vector));
      const whole = visit.requests.filter((request) => request.whole);
      expect(visit.requests.filter(({ path }) => path !== "/vector")).toEqual([]);
      if (whole.length > 0) {
        expectOutcome("pass", vector.nginx, vector.expect);
        expect(whole.map(({ body }) => body)).toEqual([bodyOf(vector)]);
      } else if (visit.byNginx) expectOutcome("refuses", vector.nginx, vector.expect);
      else {
        expect(vector.expect).not.toBe("pass");
        expect(visit.status ?? 400).toBeGreaterThanOrEqual(400);
      }
      await expectCleanNext();
    });
  });

  describe("targets", () => {
    const { vectors } = readVectors("paths");
    const named = vectors.map((vector) => ({
      ...vector,
      as: `${vector.method ?? "GET"} ${JSON.stringify(vector.target)}`,
    }));

    it.each(named)("$as: $relay ($origin)", async (vector) => {
      const { target, method = "GET" } = vector;
      const visit = await chain.visit(
        chain.nginx.port,
        `${method} ${target} HTTP/1.1\r\nHost: app.tunnel.test\r\nConnection: close\r\n\r\n`,
      );
      const [request] = visit.requests;
      expectOutcome(
        visit.byNginx ? "refuses" : request === undefined ? String(visit.status) : "pass",
        vector.nginx,
        vector.relay,
      );
      // The request arrives byte for byte, or not at all.
      if (request !== undefined) {
        expect(visit.requests).toHaveLength(1);
        expect([request.method, request.path]).toEqual([method, vector.arrives ?? target]);
      }
    });
  });

  describe.each(["behind nginx", "at the relay"])(
    "heads that a hostile relay would send, from a visitor %s",
    (where) => {
      const { requests } = readVectors("heads");

      it.each(requests)("$name arrive as one clear request, or not at all ($origin)", async (vector) => {
        const port = where === "at the relay" ? chain.relayPort : chain.nginx.port;
        const visit = await chain.visit(port, textOf(vector));
        const whole = visit.requests.filter((request) => request.whole);
        expect(whole.length).toBeLessThanOrEqual(1);
        for (const { method, path, body, rawHeaders } of visit.requests) {
          expect([method, path]).toEqual([vector.method, vector.path]);
          // The bytes that the visitor announced as the body, and never more. The rest is a request of his
          // own, to a host that does not exist.
          expect((vector.body ?? "").startsWith(body)).toBe(true);
          const fields = JSON.stringify(rawHeaders).toLowerCase();
          expect(fields).not.toContain("x-injected");
          if (vector.never !== undefined) expect(fields).not.toContain(vector.never);
        }
        const next = await chain.visit(port, "GET /canary HTTP/1.1\r\nHost: app.tunnel.test\r\n\r\n");
        expect(next.requests.filter(({ path }) => path !== vector.path)).toMatchObject([
          { method: "GET", path: "/canary", body: "" },
        ]);
        expect(next.received.endsWith("answer to /canary")).toBe(true);
      });

      function textOf({ method, path, headers, body = "" }: RequestVector): string {
        let fields = "";
        for (let i = 0; i < headers.length; i += 2) fields += `${headers[i]}: ${headers[i + 1]}\r\n`;
        return `${method} ${path} HTTP/1.1\r\n${fields}\r\n${body}`;
      }
    },
  );
});
