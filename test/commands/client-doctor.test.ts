import { checkRegistration } from "mcp-tunnel-client";
import { describe, expect, it } from "vitest";
import { mcpListener, startService } from "../doctor/world.js";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { runClient, startRelayCommand } from "../support/commands.js";
import type { RunningCommand } from "../support/commands.js";
import { startSecureRelay } from "../support/secure.js";

const closing = closingAfterEach();

/** The doctor tries the largest answer that the relay takes. */
const smallAnswers = ["--max-response-body", "1500000"];

interface Step {
  readonly id: string;
  readonly verdict: string;
  readonly reason: string;
}

function run(args: readonly string[], env?: NodeJS.ProcessEnv): RunningCommand {
  return closing(runClient(["doctor", ...args], env));
}

async function reportOf(
  command: RunningCommand,
): Promise<{ verdict: string; steps: Step[]; code: number | null }> {
  const { code } = await command.exited;
  const report = command.json[0] as unknown as { verdict: string; steps: Step[] };
  return { ...report, code };
}

// A whole run costs a second on an idle machine, and many on one that is busy.
describe("mcp-tunnel-client doctor", { timeout: 60_000 }, () => {
  it("finds all well behind a relay with TLS", async () => {
    const relay = closing(await startSecureRelay(smallAnswers, "tunnel.localhost"));
    const service = closing(await startService(mcpListener()));
    const { code, verdict, steps } = await reportOf(
      run([
        ...[String(service.port), "--relay", `https://tunnel.localhost:${relay.port}`],
        ...["--relay-ca", relay.caFile, "--subdomain", "demo", "--visitor-auth", "bearer"],
        ...["--idle", "0.1s", "--json"],
      ]),
    );
    const bad = steps.filter((step) => step.verdict !== "ok");
    // The service wants no login of its own.
    expect(bad.map(({ id }) => id)).toEqual(["oauth"]);
    expect({ code, verdict }).toEqual({ code: 0, verdict: "ok" });
    const reasonOf = (id: string): string | undefined => steps.find((step) => step.id === id)?.reason;
    expect(reasonOf("relay-tls")).toContain("the certificate is for tunnel.localhost, *.tunnel.localhost");
    expect(reasonOf("public-mcp")).toContain(`answers at https://demo.tunnel.localhost:${relay.port}/mcp`);
    expect(reasonOf("idle")).toContain("survive");
  });

  it("finds all well for a server on stdio", async () => {
    const relay = closing(await startRelayCommand(smallAnswers));
    const server = new URL("../mcp/stdio-server.mjs", import.meta.url).pathname;
    const command = run([
      ...["--relay", `http://127.0.0.1:${relay.port}`, "--idle", "0", "--stdio", "--"],
      ...[process.execPath, server],
    ]);
    expect(await command.exited).toMatchObject({ code: 0 });
    expect(command.stdout.at(-1)).toMatch(/^\d+ ok$/);
    const shown = command.stdout.filter((line) => line.length > 80);
    expect(shown).toEqual([]);
  });

  it("looks at a tunnel of the config file", async () => {
    const folder = closing(createFolder());
    const config = folder.write(
      "tunnels.yaml",
      "tunnels:\n  web:\n    relay: http://127.0.0.1:1\n    local: 1\n    subdomain: demo\n",
    );
    const command = run(["web", "--config", config, "--idle", "0", "--json"]);
    const { code, steps } = await reportOf(command);
    expect(code).toBe(1);
    const failed = steps.filter(({ verdict }) => verdict === "failed").map(({ id }) => id);
    expect(failed).toEqual(["relay-tcp", "local-listens"]);
    const unknown = run(["app", "--config", config]);
    expect(await unknown.exited).toMatchObject({ code: 2 });
    expect(unknown.stderr.join("\n")).toContain("has no tunnel 'app'; it has web");
  });

  it("ends with 1 when something failed, and says what to do", async () => {
    const command = run(["--relay", "http://127.0.0.1:1", "--idle", "0"]);
    expect(await command.exited).toMatchObject({ code: 1 });
    const text = command.stdout.join(" ").replaceAll(/ +/g, " ");
    expect(text).toContain("failed TCP to the relay: no connection to 127.0.0.1:1: refused");
    expect(text).toContain("To do: Check the port.");
    expect(text).toMatch(/1 failed, 2 ok, \d+ skipped$/);
  });

  it.each([
    [["3000"], /no relay is given/],
    [["3000", "--relay", "x", "--mcp-path", "mcp"], /--mcp-path.*takes a path, such as \/mcp/],
    [["3000", "--relay", "x", "--idle", "soon"], /--idle/],
    [["3000", "--relay", "x", "--idle", "1s", "--long"], /cannot be used with/],
    [["--relay", "x", "--proxy", "socks5://x"], /is not the URL of an HTTP proxy/],
    [["--relay", "x", "--token", ""], /token is empty/],
    [["--relay", "x", "--what"], /unknown option.*see mcp-tunnel-client doctor --help/],
  ])("ends with 2 for %j", async (args, message) => {
    const command = run(args);
    expect(await command.exited).toMatchObject({ code: 2 });
    expect(command.stderr.join("\n")).toMatch(message);
    expect(command.stdout).toEqual([]);
  });

  it("gives its name back when it is interrupted", async () => {
    const relay = closing(await startRelayCommand(smallAnswers));
    const args = ["--relay", `http://127.0.0.1:${relay.port}`, "--subdomain", "demo", "--token", "a"];
    const command = run([...args, "--idle", "1m"]);
    await command.waitFor("a large answer", () =>
      command.stdout.find((line) => line.includes("large answer")),
    );
    command.child.kill("SIGINT");
    expect(await command.exited).toMatchObject({ code: 1 });
    const relayUrl = `http://127.0.0.1:${relay.port}`;
    const checked = await checkRegistration({ relayUrl, token: "a", subdomain: "demo" });
    expect(checked.inUse).toBe(false);
  });
});
