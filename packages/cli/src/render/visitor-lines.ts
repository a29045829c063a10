import type { GateEvent } from "mcp-tunnel-gate";
import type { GateKind } from "mcp-tunnel-gate/options";
import { ownPaths, ownPrefix } from "mcp-tunnel-gate/options";
import type { RequestEvent } from "mcp-tunnel-client";
import { withoutQuery, withoutTrailing } from "mcp-tunnel-shared";
import { addLines } from "./mcp-addresses.js";
import type { McpAddress } from "./mcp-addresses.js";
import { shellWord } from "./shell.js";

/** How visitors come in, for those who tell their hosts. */
export interface HostAuth {
  readonly kinds: readonly string[];
  /** What was drawn and is shown. */
  readonly shown: { readonly key?: string; readonly passcode?: string };
  /** The files (0600) of all that was drawn and is used. */
  readonly files: { readonly key?: string; readonly passcode?: string };
  /**
   * Who says that a visitor may come by OAuth: an OpenID provider, or the owner by passcode and at the
   * terminal.
   */
  readonly loginIssuer: string | undefined;
}

/**
 * What the person, or the program, at this end is told of who may visit. What was drawn at this start, and
 * goes to a terminal, is shown once.
 */
export interface VisitorAuth extends HostAuth {
  readonly kinds: readonly GateKind[];
  /** The files are named on the screen, because there is no terminal for secrets. */
  readonly namesFiles: boolean;
}

/**
 * A request's target, as it is told. Those of the gate's own pages lose their query, which may be long and
 * hold a code of a login.
 */
export function toldPath(path: string): string {
  return path.startsWith(ownPrefix) ? withoutQuery(path) : path;
}

/** The same on a screen, where the ids of requests for consent would fill the lines. */
export function shownPath(path: string): string {
  return isOfConsent(path) ? `${ownPaths.consent}...` : toldPath(path);
}

function isOfConsent(path: string): boolean {
  return path.startsWith(ownPaths.consent);
}

/**
 * A browser in which somebody waits for an approval looks again every few seconds. On a screen these lines
 * would tear apart the number that the owner is typing.
 */
export function isPoll({ method, path, status, error }: RequestEvent): boolean {
  const isAnswered = error === undefined && status !== undefined && status < 400;
  return isAnswered && method === "GET" && isOfConsent(path) && toldPath(path).endsWith("/waiting");
}

/** A line to read, or one to paste. */
export interface ReadyLine {
  readonly text: string;
  /** A secret, or what is pasted: it stands out. */
  readonly isValue: boolean;
}

/**
 * What a person gives to each kind of host. `addresses`: of MCP servers; none for another service. `url`: the
 * tunnel's; undefined if it has none yet.
 */
export function hostLines(
  { kinds, shown, files, loginIssuer }: HostAuth,
  addresses: readonly McpAddress[],
  url: string | undefined,
): ReadyLine[] {
  const lines: ReadyLine[] = [];
  const say = (text: string): number => lines.push({ text, isValue: false });
  const give = (text: string): number => lines.push({ text, isValue: true });
  const hosts = "Claude, ChatGPT, Cursor, VS Code: give them";
  if (kinds.includes("oauth")) {
    if (addresses.length > 1) say(`${hosts} one of these URLs, and sign in`);
    else if (addresses.length === 1) say(`${hosts} the URL alone, and sign in`);
    else {
      // An MCP server is seldom at the root.
      say(`${hosts} the URL of your MCP server,`);
      say(`${url === undefined ? "" : `often ${withoutTrailing(url, "/")}/mcp, `}and sign in`);
    }
    if (loginIssuer !== undefined) say(`with your account at ${loginIssuer}`);
    else if (shown.passcode === undefined) say("with the passcode.");
    else {
      say("with this passcode:");
      give(`  ${shown.passcode}`);
    }
    say("");
  }
  if (kinds.includes("bearer")) {
    const field = `Authorization: Bearer ${shown.key ?? "KEY"}`;
    if (addresses.length > 0) say("Claude Code, Codex, SDKs and all others that send headers:");
    else say("Programs that send headers:");
    for (const address of addresses) addLines(address, `--header "${field}"`).forEach(give);
    if (addresses.length === 0) give(`  ${field}`);
    say("");
  } else if (kinds.includes("oauth") && addresses.length > 0) {
    say("Claude Code, which signs in by /mcp:");
    for (const address of addresses) addLines(address).forEach(give);
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
  if (kinds.includes("bearer") && files.key === undefined) {
    say("KEY is one of --visitor-key or its file.");
    say("");
  }
  return lines;
}

/** Where the person finds again what was drawn. `name`: the tunnel's. */
export function againLines({ kinds, shown, files, namesFiles }: VisitorAuth, name: string): ReadyLine[] {
  const drawn = [
    kinds.includes("bearer") && files.key !== undefined && { what: "KEY", file: files.key },
    kinds.includes("oauth") && files.passcode !== undefined && { what: "passcode", file: files.passcode },
  ].filter((one) => one !== false);
  if (drawn.length === 0) return [];
  const texts: string[] = [];
  if (namesFiles) texts.push(...drawn.map(({ what, file }) => `${what} is in ${file}`));
  else {
    const isShown = shown.key !== undefined || shown.passcode !== undefined;
    const what = isShown
      ? "This is shown once. See it again:"
      : `${drawn.map((one) => one.what).join(" and ")}:`;
    texts.push(`${what} mcp-tunnel-client auth show ${shellWord(name)}`);
  }
  return [...texts, ""].map((text) => ({ text, isValue: false }));
}

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
        `the answer goes to ${targetOf(event.redirectHost)}`
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
      const why = event.reason === "address" ? "not among --allow-ip" : "without a proof";
      return `refused ${why}: ${requests}${from(event.address)}`;
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

/** An address of loopback and an app's own scheme are on the computer of whoever asks, not on this one. */
function targetOf(redirectHost: string): string {
  const isProgram = redirectHost === "this computer" || redirectHost.endsWith(":");
  return isProgram ? "a program on the visitor's computer" : short(redirectHost);
}

function quoted(name: string): string {
  return `"${short(name)}"`;
}

function from(address: string | undefined): string {
  return address === undefined ? "" : ` from ${address}`;
}

/** Names that strangers choose must not push everything else off the screen. */
export function short(text: string, max = 60): string {
  return text.length <= max ? text : `${text.slice(0, max - 3)}...`;
}
