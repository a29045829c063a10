import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { type RelayCommand, startClientCommand, startRelayCommand } from "../support/commands.js";
import { runAtTerminal } from "../support/terminal.js";
import { startUpstream, type Upstream } from "../support/upstream.js";
import { createVisitor, rawExchange, type Visitor } from "../support/visitor.js";

// The user of the client sees the requests that the relay has refused.

const closing = closingAfterEach();

describe("the client command", () => {
  let relay: RelayCommand;
  let upstream: Upstream;
  let visitor: Visitor;
  beforeAll(async () => {
    upstream = await startUpstream();
    relay = await startRelayCommand(["--max-request-body", "1MiB", "--max-response-body", "100KiB"]);
    visitor = createVisitor(relay.port);
  });
  afterAll(async () => {
    await visitor.close();
    await relay.close();
    await upstream.close();
  });

  const tooLarge = { method: "POST", body: Buffer.alloc(1_048_577) } as const;

  it("prints a record of it with --json", async () => {
    const client = closing(await startClientCommand(upstream.port, relay.port, ["--subdomain", "app"]));
    expect((await visitor.text("app", "/upload?key=secret", tooLarge)).status).toBe(413);
    expect(await client.waitForJson({ event: "refused" })).toEqual({
      event: "refused",
      code: "request_too_large",
      status: 413,
      count: 1,
      method: "POST",
      path: "/upload",
      message: "request body over --max-request-body (1 MiB)",
      limit: { option: "max-request-body", value: 1_048_576, unit: "bytes" },
    });
  });

  // A request with Expect reaches the service by another code path than other requests.
  it.each(["", "Expect: 100-continue\r\n"])(
    "calls an answer that the relay does not pass on what the visitor got, %j",
    async (field) => {
      const client = closing(await startClientCommand(upstream.port, relay.port, ["--subdomain", "long"]));
      const abort = upstream.nextAbort();
      const head = `POST /bytes/200000000 HTTP/1.1\r\nHost: long.localhost\r\nConnection: close\r\n${field}`;
      const answer = await rawExchange(relay.port, `${head}Content-Length: 1\r\n\r\n?`);
      expect(answer).toMatch(/^(?:HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 502 /);
      expect(await client.waitForJson({ event: "request" })).toMatchObject({
        status: 502,
        error: {
          code: "body_too_large",
          message: "its answer of 200000000 bytes is over the relay's --max-response-body (100 KiB)",
        },
      });
      await abort;
      // An answer that was cut in the middle is shown with the status with which it began.
      await visitor.text("long", "/bytes/200000?chunked").catch(() => {});
      expect(await client.waitForJson({ event: "request", path: "/bytes/200000?chunked" })).toMatchObject({
        status: 200,
      });
    },
  );

  it("shows it on one line of a terminal of 80 columns", async () => {
    const args = [String(upstream.port), "--relay", `http://127.0.0.1:${relay.port}`, "--subdomain", "shown"];
    const terminal = closing(runAtTerminal("client", args, 80));
    await terminal.see(`http://shown.localhost:${relay.port}`);
    await visitor.text("shown", "/upload", tooLarge);
    const line = "POST /upload 413 relay: request body over --max-request-body (1 MiB)";
    expect("12:03:07 ".length + line.length).toBeLessThanOrEqual(80);
    await terminal.see(`${line}\r\n`);
  });
});
