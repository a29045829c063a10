import { describe, expect, it } from "vitest";
import { closingAfterEach } from "../support/cleanup.js";
import { startRelayCommand } from "../support/commands.js";
import { freePort } from "../support/free-port.js";
import { missingProgram } from "../support/requires.js";
import { runAtTerminal } from "../support/terminal.js";
import { startUpstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";

// What a person sees at a terminal in the first minute, in 80 columns.

const closing = closingAfterEach();

describe.skipIf(missingProgram("script"))("a client at a terminal", () => {
  it("says what it waits for, and no more once it is there", { timeout: 60_000 }, async () => {
    const [servicePort, relayPort] = [await freePort(), await freePort()];
    const args = [String(servicePort), "--relay", `http://127.0.0.1:${relayPort}`, "--subdomain", "demo"];
    const client = closing(runAtTerminal("client", [...args, "--no-inspect", "--copy", "--qr"], 80));
    await client.see("trying again");
    await client.see(`warning: nothing listens on localhost:${servicePort} yet (visitors get 502)`);
    await client.seeMatch(/Trying again in \d+ s, attempt \d+/);
    const relay = closing(await startRelayCommand(["--port", String(relayPort)]));
    await client.see(`http://demo.localhost:${relay.port}`);
    // The corner of the code. Without colours its light parts are drawn.
    await client.see("█ ▄▄▄▄▄ █");
    await client.see("The URL is in the clipboard, if this terminal takes it (OSC 52).");
    await client.see("warning: nothing listens");
    closing(await startUpstream(servicePort));
    const visitor = closing(createVisitor(relay.port));
    await expect.poll(async () => (await visitor.text("demo", "/status/200")).status).toBe(200);
    await client.see("GET  /status/200 200");
    client.type("\u0003");
    await client.exited;
  });

  it("draws one line anew each second, and leaves nothing of it behind", { timeout: 60_000 }, async () => {
    const port = await freePort();
    const args = ["3000", "--relay", `http://127.0.0.1:${port}`, "--max-reconnect-time", "4s"];
    const client = closing(runAtTerminal("client", args, 80));
    await client.see("trying again");
    // No line ends between two of them, so they are in one place.
    await client.seeMatch(/attempt \d+[^\n]*\rTrying/);
    await client.see("error: cannot reach the relay");
    await client.exited;
  });
});
