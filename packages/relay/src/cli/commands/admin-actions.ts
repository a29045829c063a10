import type { Command } from "commander";
import { TunnelError } from "mcp-tunnel-protocol";
import { printable, printableJson } from "mcp-tunnel-shared";
import { readSecret } from "mcp-tunnel-shared/command";
import { type AdminAddress, adminRequest } from "../admin/client.js";
import { CommandFailure, writeLine } from "../output/output.js";
import { relayNames } from "../output/relay-names.js";
import { type RelayStatus, silentLine, statusTable } from "../output/status-table.js";

export interface StatusOptions {
  watch?: boolean;
  /** Between two looks, in milliseconds. */
  interval: number;
  wide?: boolean;
  json?: boolean;
}

export interface HealthOptions {
  live?: boolean;
}

/** Of a relay that is in no cluster only `disconnected` is there. */
interface DisconnectAnswer {
  disconnected: string;
  relays?: readonly string[];
  silent?: readonly string[];
}

/** @throws TunnelError `invalid_option` or `unavailable` when the secret cannot be read. */
function addressOf(command: Command): AdminAddress {
  return {
    url: command.getOptionValue("admin") as string,
    secret: readSecret(command, "admin-secret", TunnelError),
  };
}

export async function status(options: StatusOptions, command: Command): Promise<void> {
  const address = addressOf(command);
  const show = async (): Promise<void> => {
    const answer = (await adminRequest(address, "GET", "/api/tunnels")) as RelayStatus;
    if (options.json === true) {
      writeLine(printableJson(answer, options.watch === true ? 0 : 2));
      return;
    }
    // What is not a terminal has no width.
    const lines = statusTable(answer, Date.now(), options.wide === true ? undefined : process.stdout.columns);
    // On a terminal each table takes the place of the one before.
    if (options.watch === true && process.stdout.isTTY) process.stdout.write("\u001b[H\u001b[2J");
    writeLine(lines.join("\n"));
  };
  await show();
  while (options.watch === true) {
    await new Promise((resolve) => setTimeout(resolve, options.interval));
    await show();
  }
}

export async function disconnect(name: string, command: Command): Promise<void> {
  const address = addressOf(command);
  const path = `/api/tunnels/${encodeURIComponent(name.toLowerCase())}`;
  const { relays = [], silent = [] } = (await adminRequest(address, "DELETE", path)) as DisconnectAnswer;
  const nameOf = relays.length === 0 ? String : await askNames(address);
  const where =
    relays.length === 0 ? "" : ` at ${relays.map((relay) => printable(nameOf(relay))).join(", ")}`;
  writeLine(`disconnected ${name.toLowerCase()}${where}`);
  for (const relay of silent) writeLine(printable(silentLine(nameOf(relay))));
}

/** The names of the relays of a cluster; their ids if the relay does not say more. */
async function askNames(address: AdminAddress): Promise<(node: string) => string> {
  try {
    const answer = (await adminRequest(address, "GET", "/api/tunnels?scope=local")) as RelayStatus;
    return relayNames(answer.relay);
  } catch (error) {
    // The tunnel is closed all the same.
    if (error instanceof CommandFailure) return String;
    throw error;
  }
}

export async function health(options: HealthOptions, command: Command): Promise<void> {
  const [path, expected] = options.live === true ? ["/healthz", "ok"] : ["/readyz", "ready"];
  const answer = (await adminRequest(addressOf(command), "GET", path)) as { status?: string };
  if (answer.status !== expected)
    throw new CommandFailure(`the relay is not ${expected}: ${printable(String(answer.status))}`);
  writeLine(expected);
}
