import { once } from "node:events";
import { startTunnelClient } from "mcp-tunnel-client";
import { beforeEach, describe, expect, it } from "vitest";
import { mcpListener, startService } from "../doctor/world.js";
import { type AccessProxy, startAccessProxy } from "../support/access-proxy.js";
import { createFolder } from "../support/certificates.js";
import { closingAfterEach } from "../support/cleanup.js";
import { type RelayCommand, runClient, startRelayCommand } from "../support/commands.js";
import { startUpstream } from "../support/upstream.js";
import { createVisitor } from "../support/visitor.js";

// A relay behind an access proxy, which lets only those in who show it a header field.

const closing = closingAfterEach();
const secret = "s3cret-of-the-proxy";
let relay: RelayCommand;
let proxy: AccessProxy;
let relayUrl: string;
/** The field in a file. */
let fields: string;

beforeEach(async () => {
  relay = closing(await startRelayCommand(["--max-response-body", "1500000"]));
  proxy = closing(await startAccessProxy(relay.port, "x-access", secret));
  relayUrl = `http://127.0.0.1:${proxy.port}`;
  fields = closing(createFolder()).write("fields", `# of the proxy\nX-Access: ${secret}\n`);
});

describe("a relay behind an access proxy", { timeout: 60_000 }, () => {
  it("is not reached without the field, and the client says what to give", async () => {
    const client = closing(runClient(["1", "--relay", relayUrl]));
    expect(await client.exited).toMatchObject({ code: 5 });
    const says =
      /answered 403 Forbidden: .* want header fields \(--relay-header, relayHeaders in a program\)\?/;
    expect(
      client.stderr.find((line) => says.test(line)),
      client.output,
    ).toBeDefined();
  });

  it("is reached with it, and neither the service nor the output has it", async () => {
    const upstream = closing(await startUpstream());
    const args = [String(upstream.port), "--relay", relayUrl, "--subdomain", "demo", "--json"];
    const client = closing(runClient([...args, "--relay-header-file", fields]));
    await client.waitForJson({ event: "connected" });
    const visitor = closing(createVisitor(relay.port));
    expect((await visitor.text("demo", "/headers")).status).toBe(200);
    expect(JSON.stringify(upstream.requests.map(({ rawHeaders }) => rawHeaders))).not.toContain(secret);
    await client.close();
    expect(client.output).not.toContain(secret);
    expect(proxy.refused).toBe(0);
  });

  it("is reached again after a loss, by a program as well", async () => {
    const options = { fetch: () => new Response("hello"), relayUrl, token: "a" };
    const client = closing(await startTunnelClient({ ...options, relayHeaders: { "X-Access": secret } }));
    const back = once(client, "connected");
    await relay.close();
    relay = closing(await startRelayCommand(["--port", String(relay.port)]));
    await back;
    expect(proxy.refused).toBe(0);
  });

  it("is looked at by the doctor and whoami, which say what is missing", async () => {
    const service = closing(await startService(mcpListener()));
    const args = [String(service.port), "--relay", relayUrl, "--subdomain", "demo", "--idle", "0", "--json"];
    const stepsOf = async (
      more: readonly string[],
    ): Promise<{ id: string; verdict: string; reason: string }[]> => {
      const doctor = closing(runClient(["doctor", ...args, ...more]));
      await doctor.exited;
      expect(doctor.output).not.toContain(secret);
      return (doctor.json[0] as never)["steps"];
    };
    const failed = (await stepsOf([])).filter(({ verdict }) => verdict === "failed");
    expect(failed).toMatchObject([{ id: "relay", reason: `something in front of ${relayUrl} answers 403` }]);
    const found = await stepsOf(["--relay-header-file", fields]);
    expect(found.filter(({ verdict }) => verdict === "failed")).toEqual([]);
    expect(found.find(({ id }) => id === "relay")?.verdict).toBe("ok");

    const env = { MCP_TUNNEL_RELAY_HEADER: `X-Access: ${secret}` };
    const whoami = closing(runClient(["whoami", "--relay", relayUrl, "--json"], env));
    expect(await whoami.exited).toMatchObject({ code: 0 });
    expect(whoami.output).not.toContain(secret);
  });
});
