import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { RunningCommand } from "../support/commands.js";
import { secureDomain, startSecureRelay, visitHttp1 } from "../support/secure.js";

/**
 * Programs that are compiled by the compiler alone, with stricter settings than our own, and run. Vitest
 * would run them without looking at a type.
 */

const closing = closingAfterEach();
const folder = fileURLToPath(new URL("programs", import.meta.url));
const compiler = fileURLToPath(new URL("../../node_modules/typescript/bin/tsc", import.meta.url));

const strictly = [
  "--ignoreConfig",
  ...["--strict", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes", "--noImplicitOverride"],
  ...["--noUnusedLocals", "--noUnusedParameters", "--noImplicitReturns", "--verbatimModuleSyntax"],
  ...["--module", "nodenext", "--target", "es2023", "--lib", "es2023,esnext.disposable", "--types", "node"],
];

/** Compiles a program into a folder in which the packages are found, and returns the file. */
async function compile(program: string): Promise<string> {
  const outDir = mkdtempSync(join(folder, "built-"));
  closing({ close: () => rmSync(outDir, { recursive: true, force: true }) });
  const args = [compiler, ...strictly, "--outDir", outDir, join(folder, `${program}.ts`)];
  const compiled = promisify(execFile)(process.execPath, args, { cwd: folder });
  await compiled.catch((error: unknown) => {
    throw new Error((error as { stdout: string }).stdout, { cause: error });
  });
  return join(outDir, `${program}.js`);
}

describe("a program that uses the client's library", () => {
  it("compiles strictly, and does what it says", { timeout: 60_000 }, async () => {
    const relay = closing(await startSecureRelay());
    const pair = await relay.authority.issue(["service.test"]);
    const service = createServer(pair, (_req, res) => res.end("hello"));
    service.listen(0, "127.0.0.1");
    await once(service, "listening");
    closing(service);

    const { port } = service.address() as AddressInfo;
    const args = [`https://127.0.0.1:${relay.port}`, relay.caFile, `https://127.0.0.1:${port}`];
    const program = closing(new RunningCommand(process.execPath, [await compile("client"), ...args]));
    const url = await program.waitFor("the URL", () =>
      program.stdout.find((line) => line.startsWith("https:")),
    );
    const host = `demo.${secureDomain}`;
    expect(new URL(url).hostname).toBe(host);
    const answer = await visitHttp1(relay.port, host, "/x?y", readFileSync(relay.caFile, "utf8"));
    expect((await answer.toArray()).join("")).toBe("hello");

    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(program.stdout).toEqual([
      "in use: false",
      "AbortError ABORT_ERR no need",
      "connected: demo false online",
      url,
      "begins: 1 string 127.0.0.1 GET /x?y true",
      "over: 1 /x?y 200 5 undefined",
      "closed: closed undefined",
      "logged: true true client closed",
      "AbortError ABORT_ERR that was enough",
    ]);
  });
});
