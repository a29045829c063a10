import { InvalidArgumentError } from "commander";
import type { Command } from "commander";
import { TunnelError, unusable } from "mcp-tunnel-protocol";
import { optionKey, readSecret, sourceName } from "mcp-tunnel-shared/command";
import type { Mistakes, OptionValues } from "mcp-tunnel-shared/command";
import type { BasicUser, BearerKey, LoginOptions } from "mcp-tunnel-gate";
import { gateKinds, keyShape } from "mcp-tunnel-gate/options";
import type { GateKind } from "mcp-tunnel-gate/options";
import { isOfTunnel, option } from "./flags.js";
import { addLine, readSecretLines } from "./secret-lines.js";

/** Who may visit. */
export interface VisitorOptions {
  /** The proofs that let a visitor in. Empty: only his address decides. */
  readonly kinds: readonly GateKind[];
  /** Keys that were given; none: one is drawn. */
  readonly keys: readonly BearerKey[];
  readonly users: readonly BasicUser[];
  readonly allowAddresses: readonly string[];
  /** An OpenID provider says who visitors are; undefined: the owner does, or a passcode. */
  readonly login: LoginOptions | undefined;
  readonly issParameter: boolean;
}

/** The values of the flags of {@link addVisitorOptions}. */
export interface VisitorFlags {
  visitorAuth?: "none" | readonly GateKind[];
  allowIp?: string[];
  oidcIssuer?: string;
  oidcClientId?: string;
  allowEmail?: string[];
  visitorAuthIss?: "on" | "off";
}

/** The options that need a kind of proof. */
const optionsOf: Readonly<Record<GateKind, readonly string[]>> = {
  bearer: ["visitor-key", "visitor-key-file"],
  basic: ["visitor-user", "visitor-user-file"],
  oauth: ["oidc-issuer", "oidc-client-id", "oidc-client-secret-file", "allow-email", "visitor-auth-iss"],
};

/** Adds the flags that say who may visit. */
export function addVisitorOptions(command: Command): Command {
  const added = [
    option(
      "--visitor-auth <kinds>",
      "how visitors prove that they may come: 'bearer' (a key), 'basic' (a name and a password), 'oauth' (a " +
        "login that MCP hosts know), or some, as in 'oauth,bearer'; 'none': everybody who knows or guesses " +
        "the URL may use the service",
    )
      .default(undefined, "oauth,bearer for MCP servers, none for <local>")
      .argParser(readKinds),
    option(
      "--visitor-key <key>",
      "a key, or NAME:KEY; can be given several times. It shows in the process list: a file is better",
    )
      .default(undefined, "one that is drawn and kept")
      .argParser(addLine),
    option(
      "--visitor-key-file <path>",
      "read keys from a file: a KEY or NAME:KEY on each line, # for comments",
    ),
    option(
      "--visitor-user <user>",
      "NAME:PASSWORD; can be given several times. It shows in the process list: a file is better",
    ).argParser(addLine),
    option(
      "--visitor-user-file <path>",
      "read users from a file: NAME:PASSWORD on each line, # for comments",
    ),
    option(
      "--allow-ip <cidr>",
      "an address, or a range such as 192.0.2.0/24, from which visitors may come, with their proof; can be " +
        "given several times. The relay says the address",
    )
      .default(undefined, "all")
      .argParser(addItems),
    option("--oidc-issuer <url>", "an OpenID provider that says who a visitor is, in place of a passcode"),
    option("--oidc-client-id <id>", "how the provider knows this command"),
    option("--oidc-client-secret-file <path>", "read the secret that goes with the id from a file"),
    option(
      "--allow-email <address>",
      "whom the provider may let in: an e-mail address, or @example.com for all of a domain; can be given " +
        "several times",
    ).argParser(addItems),
    option(
      "--visitor-auth-iss <switch>",
      "whether answers of the login say who issued them (RFC 9207); 'off' for Codex 0.143 and 0.144, which " +
        "fail if they do",
    )
      .choices(["on", "off"])
      .default(undefined, "on"),
  ];
  for (const one of added) command.addOption(one.helpGroup("Visitors:"));
  return command;
}

/**
 * Who may visit; `undefined` if everybody may. `isMcp`: MCP servers are served in place of a local service.
 * What is wrong is told to `mistakes`, and then the value is of no use: `invalid_option`, or `unavailable`
 * for a file that cannot be read. No message has a secret in it.
 */
export function readVisitorOptions(
  flags: VisitorFlags,
  values: OptionValues,
  isMcp: boolean,
  mistakes: Mistakes<TunnelError>,
): VisitorOptions | undefined {
  const kinds = kindsOf(flags, isMcp);
  refuseWithoutKind(values, kinds, flags.visitorAuth === undefined, mistakes);
  const allowAddresses = flags.allowIp ?? [];
  if (kinds.length === 0 && allowAddresses.length === 0) return undefined;
  return {
    kinds,
    keys: kinds.includes("bearer") ? readKeys(values, mistakes) : [],
    users: kinds.includes("basic") ? readUsers(values, mistakes) : [],
    allowAddresses,
    login: kinds.includes("oauth") ? readLogin(flags, values, mistakes) : undefined,
    issParameter: flags.visitorAuthIss !== "off",
  };
}

function kindsOf({ visitorAuth }: VisitorFlags, isMcp: boolean): readonly GateKind[] {
  if (visitorAuth === "none") return [];
  return visitorAuth ?? (isMcp ? ["bearer", "oauth"] : []);
}

/** @throws InvalidArgumentError */
function readKinds(text: string): "none" | GateKind[] {
  const words = text.split(",").map((word) => word.trim().toLowerCase());
  if (words.length === 1 && words[0] === "none") return "none";
  const kinds = gateKinds.filter((kind) => words.includes(kind));
  if (words.every((word) => (gateKinds as readonly string[]).includes(word))) return kinds;
  if (words.includes("none")) throw new InvalidArgumentError("'none' stands alone.");
  throw new InvalidArgumentError(`It takes some of ${gateKinds.join(", ")}, or none.`);
}

function addItems(text: string, others: readonly string[] = []): string[] {
  return [...others, ...text.split(",").map((item) => item.trim())];
}

/**
 * Most options without effect are refused only where they were given for this tunnel. A proof for visitors
 * that is nobody's wish to be without is another matter: who has set one believes that the service is
 * guarded.
 */
function refuseWithoutKind(
  values: OptionValues,
  kinds: readonly GateKind[],
  isByDefault: boolean,
  mistakes: Mistakes<TunnelError>,
): void {
  for (const kind of gateKinds) {
    if (kinds.includes(kind)) continue;
    for (const name of optionsOf[kind]) {
      const isSet = values.getOptionValueSource(optionKey(name)) !== undefined;
      if (!isOfTunnel(values, name) && !(isByDefault && isSet)) continue;
      const message = `${sourceName(values, name)} has no effect without --visitor-auth ${kind}`;
      mistakes.add(unusable(message, { options: [name] }));
    }
  }
}

/** The name comes before the first colon. The first key without a name is `default`. */
function readKeys(values: OptionValues, mistakes: Mistakes<TunnelError>): BearerKey[] {
  let unnamed = 0;
  return (mistakes.attempt(() => readSecretLines(values, "visitor-key")) ?? []).map(({ text, place }) => {
    const line = text.trim();
    const at = line.indexOf(":");
    const key = line.slice(at + 1);
    // The gate would name the key alone, and not where it stands.
    if (!keyShape.test(key)) {
      const message = `${place}: a key has at least 16 visible characters of ASCII, without spaces`;
      mistakes.add(unusable(message, { options: ["visitor-key", "visitor-key-file"] }));
    }
    if (at !== -1) return { name: line.slice(0, at), key };
    unnamed += 1;
    return { name: unnamed === 1 ? "default" : `default-${unnamed}`, key };
  });
}

/** Tells of a list that is empty, too: it would let nobody in. */
function readUsers(values: OptionValues, mistakes: Mistakes<TunnelError>): BasicUser[] {
  const before = mistakes.all.length;
  const lines = mistakes.attempt(() => readSecretLines(values, "visitor-user")) ?? [];
  if (lines.length === 0 && mistakes.all.length === before) {
    const message = "--visitor-auth basic lets nobody in: add --visitor-user-file <path>, or --visitor-user";
    mistakes.add(unusable(message, { options: ["visitor-user", "visitor-auth"] }));
  }
  return lines.map(({ text, place }) => {
    const at = text.indexOf(":");
    if (at <= 0) {
      const options = ["visitor-user", "visitor-user-file"];
      mistakes.add(unusable(`${place} is not NAME:PASSWORD`, { options }));
    }
    return { name: text.slice(0, at), password: text.slice(at + 1) };
  });
}

function readLogin(
  flags: VisitorFlags,
  values: OptionValues,
  mistakes: Mistakes<TunnelError>,
): LoginOptions | undefined {
  const { oidcIssuer: issuer, oidcClientId: clientId, allowEmail: allowEmails } = flags;
  const refuse = (message: string, ...options: string[]): void =>
    mistakes.add(unusable(message, { options }));
  const clientSecret = mistakes.attempt(() => readSecret(values, "oidc-client-secret", TunnelError));
  if (issuer === undefined) {
    for (const name of ["oidc-client-id", "oidc-client-secret-file", "allow-email"]) {
      if (values.getOptionValueSource(optionKey(name)) === undefined) continue;
      refuse(`${sourceName(values, name)} has no effect without --oidc-issuer`, name);
    }
    return undefined;
  }
  if (clientId === undefined) refuse("--oidc-issuer needs --oidc-client-id", "oidc-client-id", "oidc-issuer");
  if (allowEmails === undefined)
    refuse(
      "--oidc-issuer lets nobody in: say whom, by --allow-email <address>",
      "allow-email",
      "oidc-issuer",
    );
  if (clientId === undefined || allowEmails === undefined) return undefined;
  return { issuer, clientId, ...(clientSecret === undefined ? {} : { clientSecret }), allowEmails };
}
