import type { GateEvent } from "mcp-tunnel-gate";
import type { GateKind } from "mcp-tunnel-gate/options";
import { ownPrefix } from "mcp-tunnel-gate/options";
import { withoutQuery } from "mcp-tunnel-shared";
import { shellWord } from "./mcp-addresses.js";
import type { McpAddress } from "./mcp-addresses.js";

/** What the person, or the program, at this end is told of who may visit. */
export interface VisitorAuth {
  readonly kinds: readonly GateKind[];
  /** What was drawn at this start and goes to a terminal: it is shown once. */
  readonly shown: { readonly key?: string; readonly passcode?: string };
  /** The files (0600) of all that was drawn, at this start or before. */
  readonly files: { readonly key?: string; readonly passcode?: string };
  /** The files are named on the screen, because there is no terminal for secrets. */
  readonly namesFiles: boolean;
  /**
   * Who says that a visitor may come by OAuth: an OpenID provider, or the owner by passcode and at the
   * terminal.
   */
  readonly loginIssuer: string | undefined;
}

/**
 * A request's target, as it is told. Those of the gate's own pages lose their query, which may be long and
 * hold a code of a login.
 */
export function toldPath(path: string): string {
  return path.startsWith(ownPrefix) ? withoutQuery(path) : path;
}

/** A line to read, or one to paste. */
export interface ReadyLine {
  readonly text: string;
  /** A secret, or what is pasted: it stands out. */
  readonly isValue: boolean;
}

/**
 * What a person gives to each kind of host. `addresses`: of MCP servers; none for another service. `name`:
 * the tunnel's.
 */
export function readyLines(auth: VisitorAuth, addresses: readonly McpAddress[], name: string): ReadyLine[] {
  const { kinds, shown, files } = auth;
  const lines: ReadyLine[] = [];
  const say = (text: string): number => lines.push({ text, isValue: false });
  const give = (text: string): number => lines.push({ text, isValue: true });
  if (kinds.includes("oauth")) {
    say("Claude, ChatGPT, Cursor, VS Code: give them the URL alone, and sign in");
    if (auth.loginIssuer !== undefined) say(`with your account at ${auth.loginIssuer}`);
    else if (shown.passcode === undefined) say("with the passcode.");
    else {
      say("with this passcode:");
      give(`  ${shown.passcode}`);
    }
    say("");
  }
  if (kinds.includes("bearer")) {
    const key = shown.key ?? "KEY";
    if (addresses.length > 0) say("Claude Code, Codex, SDKs and all others that send headers:");
    else say("Programs that send headers:");
    for (const { addCommand } of addresses) {
      give(`${addCommand} \\`);
      give(`--header "Authorization: Bearer ${key}"`);
    }
    if (addresses.length === 0) give(`  Authorization: Bearer ${key}`);
    say("");
  } else if (kinds.includes("oauth") && addresses.length > 0) {
    say("Claude Code, which signs in by /mcp:");
    for (const { addCommand } of addresses) give(addCommand);
    say("");
  }
  if (kinds.includes("basic")) {
    say("Browsers ask for a name and a password of --visitor-user or its file.");
    say("");
  }
  if (kinds.length === 0) {
    say("Visitors need no proof: their address decides (--allow-ip).");
    say("");
  }
  const drawn = [
    kinds.includes("bearer") && files.key !== undefined && { what: "KEY", file: files.key },
    kinds.includes("oauth") && files.passcode !== undefined && { what: "passcode", file: files.passcode },
  ].filter((one) => one !== false);
  if (auth.namesFiles) for (const { what, file } of drawn) say(`${what} is in ${file}`);
  else if (drawn.length > 0) {
    const isShown = shown.key !== undefined || shown.passcode !== undefined;
    const what = isShown
      ? "This is shown once. See it again:"
      : `${drawn.map((one) => one.what).join(" and ")}:`;
    say(`${what} mcp-tunnel-client auth show ${shellWord(name)}`);
  }
  if (kinds.includes("bearer") && files.key === undefined) say("KEY is one of --visitor-key or its file.");
  if (lines.at(-1)?.text !== "") say("");
  return lines;
}

/** Names that strangers choose must not push everything else off the screen. */
const maxNameLength = 60;

/** What to do about an event, if there is something. `tunnel`: its name. */
export function gateEventHint(
  event: GateEvent,
  canApprove: boolean,
  tunnel: string | undefined,
): string | undefined {
  if (event.type === "asked" && canApprove) {
    return "If that is you, type the number that its page shows, and Enter.";
  }
  if (event.type !== "granted") return undefined;
  const revoked = `${shellWord(tunnel ?? "<name>")} ${shellWord(event.grant)}`;
  return `To end it: mcp-tunnel-client auth revoke ${revoked}`;
}

/** An event in words, without its escapes. `others`: how many of the kind were left out before. */
export function gateEventText(event: GateEvent, others: number): string {
  const more = others === 0 ? "" : ` (and ${others} more)`;
  switch (event.type) {
    case "asked":
      return (
        `${quoted(event.clientName)} asks for access${from(event.address)}${more}; ` +
        `the answer goes to ${short(event.redirectHost)}`
      );
    case "granted": {
      const by = { passcode: "by passcode", terminal: "by you", login: "by login" }[event.by];
      const who = event.by === "login" ? `, ${short(event.user)}` : "";
      return `${quoted(event.clientName)} has access now (${by}${who})`;
    }
    case "revoked":
      return `${quoted(event.clientName)} has no access any more`;
    case "denied": {
      if (event.reason === "wrong_number") return "No page shows that number.";
      const who = event.clientName === undefined ? "" : ` for ${quoted(event.clientName)}`;
      return `access denied${who}${from(event.address)}: ${deniedBecause[event.reason]}${more}`;
    }
    case "refused": {
      const requests = event.count === 1 ? "1 request" : `${event.count} requests`;
      return `refused without a proof: ${requests}${from(event.address)}`;
    }
    case "notice":
      return event.text;
  }
}

type DeniedReason = Extract<GateEvent, { type: "denied" }>["reason"];

const deniedBecause: Readonly<Record<Exclude<DeniedReason, "wrong_number">, string>> = {
  wrong_passcode: "the passcode was wrong",
  too_many_tries: "too many tries",
  not_on_list: "the account is not among those of --allow-email",
  login_failed: "the login failed",
  cancelled: "cancelled",
  expired: "nobody approved in time",
};

function quoted(name: string): string {
  return `"${short(name)}"`;
}

function from(address: string | undefined): string {
  return address === undefined ? "" : ` from ${address}`;
}

function short(text: string): string {
  return text.length <= maxNameLength ? text : `${text.slice(0, maxNameLength - 3)}...`;
}
