import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { runRelay, startClientCommand, startRelayCommand } from "../support/commands.js";
import { freePort } from "../support/free-port.js";
import { startUpstream } from "../support/upstream.js";
import { createVisitor, rawExchange } from "../support/visitor.js";

const closing = closingAfterEach();

async function tunnel(args: readonly string[]) {
  const upstream = closing(await startUpstream());
  const relay = closing(await startRelayCommand(args));
  closing(await startClientCommand(upstream.port, relay.port, ["--subdomain", "app"]));
  const visitor = closing(createVisitor(relay.port));
  return { upstream, relay, visitor };
}

/** As in Apache's documentation: %h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i". */
const combined =
  /^(\S+) (\S+) (\S+) \[([^\]]+)\] "((?:[^"\\]|\\.)*)" (\d{3}|-) (\d+|-) "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"$/;

describe("the access log", () => {
  it("in Apache's combined form can be read by its readers, whatever a visitor writes", async () => {
    const { relay, visitor } = await tunnel(["--access-log", "combined"]);
    const started = Math.floor(Date.now() / 1_000) * 1_000;
    await visitor.text("app", "/echo?token=s3cret", {
      method: "POST",
      body: "12345",
      headers: {
        "user-agent": 'curl/8 "quoted" \\ back',
        referer: "https://example.com/page?session=s3cret#s3cret",
      },
    });
    const hostile =
      'GET /"%0a HTTP/1.1\r\nHost: nobody.localhost\r\nUser-Agent: a\tb\x80\r\nConnection: close\r\n\r\n';
    await rawExchange(relay.port, Buffer.from(hostile, "latin1"));
    const lines = await relay.waitFor("lines", () => {
      const found = relay.stdout.filter((line) => !line.startsWith("{"));
      return found.length >= 2 ? found : undefined;
    });
    const [first, second] = lines.map((line) => combined.exec(line)?.slice(1));
    expect(first).toEqual([
      "127.0.0.1",
      "-",
      "-",
      expect.stringMatching(/^\d\d\/[A-Z][a-z][a-z]\/\d{4}:\d\d:\d\d:\d\d \+0000$/),
      "POST /echo HTTP/1.1",
      "200",
      "5",
      "https://example.com/page",
      'curl/8 \\"quoted\\" \\\\ back',
    ]);
    const time = (first?.[3] ?? "").replace(/^(\d+)\/(\w+)\/(\d+):/, "$1 $2 $3 ");
    expect(Date.parse(time)).toBeGreaterThanOrEqual(started);
    expect(second?.slice(4)).toEqual(['GET /\\"%0a HTTP/1.1', "502", "16", "-", "a\\x09b\\x80"]);
    expect(relay.output).not.toContain("s3cret");
    // The access log leaves the relay's own log as it is.
    await relay.waitForJson({ msg: "tunnel registered" });
    expect(relay.json.some((line) => line["msg"] === "request")).toBe(false);
  });

  it("in JSON has the id that the local service got and the visitor gets back", async () => {
    const { upstream, relay, visitor } = await tunnel([]);
    const reached = upstream.nextRequest();
    const answer = await visitor.visit("app", "/status/200");
    await answer.body.dump();
    const id = answer.headers["x-request-id"] as string;
    const { rawHeaders } = await reached;
    expect(rawHeaders[rawHeaders.findIndex((name) => name.toLowerCase() === "x-request-id") + 1]).toBe(id);
    expect(await relay.waitForJson({ msg: "request" })).toMatchObject({ name: "app", requestId: id });
    const named = await visitor.visit("app", "/status/201", { headers: { "x-request-id": 'a"b;c' } });
    await named.body.dump();
    expect(await relay.waitForJson({ msg: "request", status: 201 })).toMatchObject({
      requestId: named.headers["x-request-id"],
      visitorRequestId: 'a"b;c',
    });
    const refused = await visitor.visit("nobody", "/");
    await refused.body.dump();
    const line = await relay.waitForJson({ msg: "request", name: "nobody" });
    expect(line["requestId"]).toBe(refused.headers["x-request-id"]);
  });

  it("can be off, and the rest is logged", async () => {
    const off = await tunnel(["--access-log", "off"]);
    await off.visitor.text("app", "/status/200");
    off.relay.child.kill("SIGTERM");
    await off.relay.exited;
    expect(off.relay.json.some((line) => line["msg"] === "request")).toBe(false);
    expect(off.relay.json.some((line) => line["msg"] === "stopped")).toBe(true);
  });

  it.each([
    ["json", /^\{.*"name":"nobody","method":"GET","path":"\/x".*"msg":"request"\}$/],
    ["pretty", /nobody GET \/x 502 16 B/],
    ["combined", /"GET \/x HTTP\/1\.1" 502 16 /],
  ])("as %s is written even where the relay itself only warns", async (format, form) => {
    // The relay does not tell its port then.
    const port = await freePort();
    const quiet = closing(
      runRelay([
        ...["--domain", "localhost", "--host", "127.0.0.1", "--port", String(port)],
        ...["--log-format", "json", "--log-level", "warn", "--access-log", format],
      ]),
    );
    const isWarning = (line: string): boolean => line.includes("open mode");
    await quiet.waitFor("warning", () => quiet.stdout.find(isWarning));
    await rawExchange(port, "GET /x HTTP/1.1\r\nHost: nobody.localhost\r\nConnection: close\r\n\r\n");
    await quiet.waitFor("line", () => quiet.stdout.find((line) => form.test(line)));
    quiet.child.kill("SIGTERM");
    await quiet.exited;
    expect(quiet.stdout.filter((line) => !form.test(line) && !isWarning(line))).toEqual([]);
  });
});
