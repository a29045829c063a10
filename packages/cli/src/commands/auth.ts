import type { Command } from "commander";
import { drawPasscode } from "mcp-tunnel-gate";
import type { GrantInfo } from "mcp-tunnel-gate";
import { findSlots, listSlots, readSecrets, revoke, rotate, secretKinds } from "mcp-tunnel-gate/state";
import type { SecretKind, Secrets, SlotInfo, Taken } from "mcp-tunnel-gate/state";
import { unusable } from "mcp-tunnel-protocol";
import type { TunnelError } from "mcp-tunnel-protocol";
import { printable, printableJson } from "mcp-tunnel-shared";
import { table } from "mcp-tunnel-shared/command";
import { addressesOf } from "../render/mcp-addresses.js";
import { shellWord } from "../render/shell.js";
import { exitStatus } from "../options/exit-status.js";
import { partOf, subcommand } from "../options/subcommand.js";
import type { Output } from "../output/output.js";
import { hostLines, short } from "../render/visitor-lines.js";
import type { CliCommand } from "./command.js";

const description = `Shows, renews and takes back what lets visitors in: keys and passcodes that were drawn, and what was granted by OAuth. A running client takes every change at once.

<name> is the tunnel's name, such as demo in demo.tunnel.example.com. It may be left out if there is only one. All of it is kept in MCP_TUNNEL_STATE_DIR, by default a folder of the user's own.`;

/** Of the columns that strangers fill, in characters. */
const maxColumn = 24;

interface Common {
  relay?: string;
  json?: true;
}

/**
 * `mcp-tunnel-client auth`. Its run throws TunnelError `invalid_option` if there is no such tunnel or grant,
 * or `unavailable` for files that cannot be read or written.
 */
export const auth: CliCommand = {
  build: buildAuth,
  async run(args, output) {
    await buildAuth(output).parseAsync(args, { from: "user" });
    return exitStatus.ended;
  },
};

function buildAuth(output: Output): Command {
  const program = subcommand("auth", description);
  add(program, "show [name]", "show the key and the passcode that were drawn for a tunnel").action(
    (name: string | undefined, flags: Common) => show(slotOf(name, flags), flags, output),
  );
  add(
    program,
    "list [name]",
    "list what was granted: who may visit, since when, and when he last did",
  ).action((name: string | undefined, flags: Common) => list(name, flags, output));
  add(program, "revoke <name> [id...]", "take grants back, by their ids in the list")
    .option("--all", "all grants of the tunnel")
    .action((name: string, ids: string[], flags: Common & { all?: true }) =>
      revokeGrants(slotOf(name, flags), ids, flags, output),
    );
  add(program, "rotate [name]", "draw a new key and a new passcode; grants stay")
    .option("--key", "only the key")
    .option("--passcode", "only the passcode")
    .action((name: string | undefined, flags: Common & Partial<Record<SecretKind, true>>) =>
      rotateSecrets(slotOf(name, flags), flags, output),
    );
  return program;
}

function add(program: Command, usage: string, text: string): Command {
  return partOf(program, usage, text)
    .option("--relay <url>", "the tunnel's relay, if several relays have one of that name")
    .option("--json", "print one JSON object");
}

// ---- which tunnel

/**
 * The tunnel that is meant. Of those that had a name at one relay, with another token each, it is the one
 * that was there last.
 * @throws TunnelError `invalid_option`.
 */
function slotOf(name: string | undefined, { relay }: Common): SlotInfo {
  const all = slotsOf(name, relay);
  const named = all.filter(hasName);
  // Nobody can mean one without a name while there are others: its client waits for its name.
  const found = named.length > 0 ? named : all;
  const [slot] = found;
  if (slot === undefined) throw unknownTunnel(name, relay);
  const isOne = found.every((one) => one.relay === slot.relay && nameOf(one) === nameOf(slot));
  if (isOne) return slot;
  const choice = name === undefined ? "give its name" : "choose by --relay <url>";
  const list = found.map((one) => `${nameOf(one)} at ${one.relay}`).join(", ");
  throw unusable(`there are several tunnels: ${list}; ${choice}`, { options: ["relay"] });
}

function slotsOf(name: string | undefined, relay: string | undefined): SlotInfo[] {
  if (name !== undefined) return findSlots(name, relay === undefined ? {} : { relayUrl: relay });
  if (relay === undefined) return listSlots();
  throw unusable("--relay chooses among tunnels of one name: give the name", { options: ["relay"] });
}

function unknownTunnel(name: string | undefined, relay: string | undefined): TunnelError {
  if (name === undefined) return unusable("nothing was drawn or granted for any tunnel of this user");
  const at = relay === undefined ? "" : ` at ${relay}`;
  const known = [...new Set(listSlots().filter(hasName).map(nameOf))];
  const others = known.length === 0 ? "" : `; there ${known.length === 1 ? "is" : "are"} ${known.join(", ")}`;
  return unusable(`nothing is known of a tunnel '${name}'${at}${others}`);
}

function hasName({ name, asked }: SlotInfo): boolean {
  return name !== undefined || asked !== undefined;
}

/** What a person calls the tunnel of a slot. */
function nameOf({ name, asked }: SlotInfo): string {
  return name ?? asked ?? "(not named yet)";
}

// ---- what is done with it

function show(slot: SlotInfo, { json }: Common, output: Output): void {
  const secrets = readSecrets(slot);
  if (drawnOf(slot).length === 0) throw nothingDrawn(slot, secretKinds);
  const unused = drawnOf(slot).filter((kind) => !slot.uses[kind]);
  if (json === true) {
    output.out(printableJson({ ...aboutOf(slot), ...shown(slot, secrets), files: filesOf(slot), unused }));
    return;
  }
  for (const line of lines(slot, secrets)) output.out(line);
  for (const kind of unused) output.out(notInUse(slot, kind));
}

/** What each of what can be drawn is for. */
const kindOf = { key: "bearer", passcode: "oauth" } as const;

/** What the start of the client said, with what was drawn. */
function lines(slot: SlotInfo, secrets: Secrets): string[] {
  const { url, name = "", places } = slot;
  const shownAuth = {
    // The tunnel was never there: what was drawn says what its client wanted.
    kinds: url === undefined ? drawnOf(slot).map((kind) => kindOf[kind]) : slot.kinds,
    shown: shown(slot, secrets),
    files: filesOf(slot),
    loginIssuer: slot.loginIssuer,
  };
  const addresses = url === undefined ? [] : addressesOf({ url, subdomain: name }, places);
  const urls = places.length === 0 && url !== undefined ? [url] : addresses.map((address) => address.url);
  const shownUrls = urls.length === 0 ? [] : [...urls.map((one) => `  ${one}`), ""];
  const texts = [...shownUrls, ...hostLines(shownAuth, addresses, url).map(({ text }) => text)];
  if (texts.at(-1) === "") texts.pop();
  return texts.map(printable);
}

function list(name: string | undefined, flags: Common, output: Output): void {
  const slots = slotsOf(name, flags.relay);
  if (slots.length === 0 && name !== undefined) throw unknownTunnel(name, flags.relay);
  if (flags.json === true) {
    const tunnels = slots.map((slot) => ({ ...aboutOf(slot), grants: slot.grants }));
    output.out(printableJson({ tunnels }));
    return;
  }
  for (const { problem } of slots) if (problem !== undefined) output.err(`warning: ${printable(problem)}`);
  const rows = slots.flatMap((slot) => slot.grants.map((grant) => rowOf(slot, grant)));
  if (rows.length === 0) output.out("Nothing is granted.");
  else
    for (const line of table(["TUNNEL", "ID", "CLIENT", "USER", "SINCE", "LAST USE"], rows)) output.out(line);
}

function rowOf(slot: SlotInfo, { id, clientName, user, sinceMs, lastUsedMs }: GrantInfo): string[] {
  return [
    nameOf(slot),
    id,
    short(clientName, maxColumn),
    short(user, maxColumn),
    minuteOf(sinceMs),
    minuteOf(lastUsedMs),
  ];
}

async function revokeGrants(
  slot: SlotInfo,
  ids: readonly string[],
  { all, json }: Common & { all?: true },
  output: Output,
): Promise<void> {
  if ((all === true) === ids.length > 0) {
    throw unusable("give the ids of grants, as `mcp-tunnel-client auth list` shows them, or --all");
  }
  const unknown = ids.find((id) => !slot.grants.some((grant) => grant.id === id));
  if (unknown !== undefined) {
    throw unusable(`the tunnel ${nameOf(slot)} has no grant '${unknown}': see mcp-tunnel-client auth list`);
  }
  const revoked = all === true ? slot.grants.map(({ id }) => id) : ids;
  const taken = revoked.length === 0 ? undefined : await revoke(slot, all === true ? "all" : ids);
  if (json === true) output.out(printableJson({ ...aboutOf(slot), revoked, taken: taken ?? null }));
  else if (taken === undefined) output.out("Nothing to revoke.");
  else output.out(`${revoked.length === 1 ? "1 grant" : `${revoked.length} grants`} revoked${when(taken)}`);
}

async function rotateSecrets(
  slot: SlotInfo,
  flags: Common & Partial<Record<SecretKind, true>>,
  output: Output,
): Promise<void> {
  const asked = secretKinds.filter((kind) => flags[kind] === true);
  const drawn = drawnOf(slot);
  const used = drawn.filter((kind) => slot.uses[kind]);
  const kinds = asked.length > 0 ? asked : used.length > 0 ? used : drawn;
  const missing = kinds.length === 0 ? secretKinds : kinds.filter((kind) => !slot.drawn[kind]);
  if (missing.length > 0) throw nothingDrawn(slot, missing);
  const unused = kinds.filter((kind) => !slot.uses[kind]);
  const { secrets, taken } = await rotate(slot, kinds, drawPasscode);
  if (flags.json === true) {
    output.out(printableJson({ ...aboutOf(slot), rotated: kinds, files: filesOf(slot), unused, taken }));
    return;
  }
  output.out(`New: ${kinds.join(" and ")}${unused.length < kinds.length ? when(taken) : "."}`);
  for (const kind of unused) output.out(notInUse(slot, kind));
  const name = shellWord(nameOf(slot));
  output.out(`Grants stay: mcp-tunnel-client auth revoke ${name} --all takes them back.`);
  if (!process.stdout.isTTY) for (const kind of kinds) output.out(`${kind} is in ${slot.files[kind]}`);
  else for (const line of ["", ...lines(slot, secrets)]) output.out(line);
}

// ---- words

function nothingDrawn(slot: SlotInfo, missing: readonly SecretKind[]): TunnelError {
  return unusable(
    `no ${missing.join(" and no ")} was drawn for the tunnel ${nameOf(slot)}: what you gave it by options is ` +
      "not kept",
  );
}

function notInUse({ files }: SlotInfo, kind: SecretKind): string {
  return `The ${kind} in ${files[kind]} is not in use by the client that ran last.`;
}

function drawnOf({ drawn }: SlotInfo): SecretKind[] {
  return secretKinds.filter((kind) => drawn[kind]);
}

function when(taken: Taken): string {
  return taken === "taken"
    ? "; the running client has taken it."
    : ". No running client has taken it yet: it takes effect with the next start.";
}

function aboutOf({ name, asked, url, relay, kinds, isRunning, path }: SlotInfo): object {
  return { name: name ?? asked ?? null, url: url ?? null, relay, kinds, isRunning, path };
}

/** What lets visitors in, of what was drawn. */
function shown({ uses }: SlotInfo, { keys, passcode }: Secrets): Partial<Record<SecretKind, string>> {
  const key = keys[0]?.key;
  return {
    ...(passcode === undefined || !uses.passcode ? {} : { passcode }),
    ...(key === undefined || !uses.key ? {} : { key }),
  };
}

function filesOf(slot: SlotInfo): Partial<Record<SecretKind, string>> {
  const used = drawnOf(slot).filter((kind) => slot.uses[kind]);
  return Object.fromEntries(used.map((kind) => [kind, slot.files[kind]]));
}

/** In the time of this machine: `2026-11-30 09:05`. */
function minuteOf(ms: number): string {
  return new Date(ms).toLocaleString("sv-SE", { dateStyle: "short", timeStyle: "short" });
}
