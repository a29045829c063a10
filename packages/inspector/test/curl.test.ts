import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { onWindows } from "../../../test/support/systems.js";
import { createHider } from "../src/secrets/hide.js";
import { curlOf } from "../src/views/curl.js";
import { captured, type CapturedGiven } from "./support/captured.js";

const publicUrl = "https://name.relay.example";
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "curl-"));
  // Says what it was given, one argument after another.
  writeFileSync(join(folder, "curl"), "#!/bin/sh\nprintf '%s\\0' \"$@\"\n");
  chmodSync(join(folder, "curl"), 0o755);
});
afterAll(() => rmSync(folder, { recursive: true }));

function command(given: CapturedGiven, url: string | undefined = publicUrl): string {
  const hider = createHider({ key: undefined, privatePaths: [] });
  return curlOf(captured(given), { hider, publicUrl: url });
}

/** What curl gets, one char for each byte, when a shell reads the command. */
function argumentsOf(given: CapturedGiven, shell = "bash"): string[] {
  const environment = { PATH: `${folder}:${process.env["PATH"] ?? ""}` };
  const input = Buffer.from(command(given));
  const output = execFileSync(shell, ["-s"], { input, env: environment, encoding: "latin1" });
  return output.split("\0").slice(0, -1);
}

describe.skipIf(onWindows)("a request as a command", () => {
  it.each(["sh", "bash"])("is one for %s", (shell) => {
    const body = JSON.stringify({ a: 'it\'s `$(id)` "$HOME" \\ !', b: "é漢" }, null, 2);
    const headers = ["Host", "x", "Content-Type", "application/json", "X-It's", "a 'b' $c", "X-Empty", ""];
    const given = { method: "POST", path: "/mcp?a=it's&b=$(id)", headers, body };
    expect(argumentsOf(given, shell)).toEqual([
      `${publicUrl}/mcp?a=it's&b=$(id)`,
      ...["-H", "Content-Type: application/json", "-H", "X-It's: a 'b' $c", "-H", "X-Empty;"],
      ...["--data-raw", Buffer.from(body).toString("latin1")],
    ]);
  });

  it("leaves out what speaks of the connection and of the tunnel", () => {
    const headers = ["Host", "a", "Connection", "close, X-Own", "X-Own", "1", "Content-Length", "0"];
    headers.push(
      "Transfer-Encoding",
      "chunked",
      "X-Forwarded-For",
      "192.0.2.1",
      "X-Tunnel-Visitor",
      "192.0.2.1",
    );
    headers.push("Accept-Encoding", "gzip", "Accept", "*/*", "Forwarded", "for=1", "Via", "1.1 a");
    expect(argumentsOf({ headers })).toEqual([`${publicUrl}/`, "-H", "Accept: */*", "--compressed"]);
  });

  it.each<[CapturedGiven, string[]]>([
    [{ method: "HEAD" }, ["-I"]],
    [{ method: "DELETE" }, ["-X", "DELETE"]],
    [{ method: "POST" }, ["-X", "POST"]],
    [{ method: "PUT", body: "a" }, ["-X", "PUT", "-H", "Content-Type:", "--data-raw", "a"]],
    [{ method: "GET", body: "a" }, ["-X", "GET", "-H", "Content-Type:", "--data-raw", "a"]],
    [{ method: "POST", body: "@/etc/passwd" }, ["-H", "Content-Type:", "--data-raw", "@/etc/passwd"]],
  ])("has the method: %j", (given, expected) => {
    expect(argumentsOf(given)).toEqual([`${publicUrl}/`, ...expected]);
  });

  it("has the target as it was", () => {
    expect(argumentsOf({ path: "/a/../b?c[]={d}" })).toEqual([
      `${publicUrl}/a/../b?c[]={d}`,
      "--globoff",
      "--path-as-is",
    ]);
    expect(argumentsOf({ method: "OPTIONS", path: "*" })).toContain("--request-target");
    expect(command({ headers: ["Host", "a.example"] }, undefined)).toContain("curl 'https://name");
  });

  it("has the Host of the request if the public URL is not known", () => {
    const hider = createHider({ key: undefined, privatePaths: [] });
    const given = captured({ headers: ["Host", "a.example:8443"], path: "/b" });
    expect(curlOf(given, { hider, publicUrl: undefined })).toBe("curl 'https://a.example:8443/b'\n");
  });

  it("hides secrets", () => {
    const text = command({
      method: "POST",
      path: "/x?token=s3cr3t",
      headers: ["Authorization", "Bearer s3cr3t", "Cookie", "a=s3cr3t", "Content-Type", "application/json"],
      body: '{"password":"s3cr3t"}',
    });
    expect(text).not.toContain("s3cr3t");
    expect(text).toContain("'Authorization: Bearer [hidden]'");
    expect(text).toContain('{"password":"[hidden]"}');
    expect(text).toContain("--globoff");
  });

  it("cannot end the paste, or change what the terminal shows", () => {
    // A visitor sends the sign that ends a paste, and a command. The user pastes it into his terminal.
    const body = "a\u001b[201~\nrm -rf ~\r\u0085\u202e\t'\\1";
    const headers = ["Content-Type", "text/plain", "X-A", "caf\xc3\xa9 \xff\t1"];
    const given = { method: "POST", headers, body };
    // Nothing but printable characters and line ends.
    expect(command(given)).toMatch(/^[\n\x20-\x7e\xe9]*$/);
    expect(argumentsOf(given)).toContain(Buffer.from(body).toString("latin1"));
    expect(argumentsOf(given)).toContain("X-A: caf\xc3\xa9 \xff\t1");
  });

  it.each<[string, CapturedGiven]>([
    ["not kept whole", { method: "POST", body: "ab", bodyBytes: 5_000 }],
    ["no text", { method: "POST", body: Buffer.from([0, 255]) }],
    [
      "no text",
      { method: "POST", body: Buffer.from("é", "latin1"), headers: ["Content-Type", "a/b; charset=latin1"] },
    ],
    ["too long", { method: "POST", body: "a".repeat(140_000) }],
    ["HEAD", { method: "HEAD", body: "a" }],
  ])("says when the body is left out: %s", (why, given) => {
    expect(command(given)).toMatch(/^# The body of .* is left out: .*\ncurl /);
    expect(command(given).split("\n")[0]).toContain(why);
    expect(argumentsOf(given)).not.toContain("--data-raw");
  });
});
