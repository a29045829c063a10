import { flag, fromJson, listOf, number, objectOf, oneOf, passing, type Shape, text } from "./shape.js";

/**
 * The messages before a session: the original's JSON texts, with optional fields of ours, which an original
 * ignores (PROTOCOL.md, "Registration"). Unknown fields are ignored here too.
 */

/** The versions of the binary protocol that this package speaks. */
export const supportedProtocols: readonly number[] = [1];

/** Where a relay registers clients, below its URL. */
export const registrationPath = "/_tunnel/register";

/** The field of the handshake's response in which a relay says what it can do beyond older relays. */
export const featuresField = "X-Tunnel-Features";

/** The feature of a relay that knows `claim` in a registration (PROTOCOL.md, "Claims"). */
export const claimFeature = "claim";

/** The feature of a relay that knows `pool` in a registration (PROTOCOL.md, "Pools"). */
export const poolFeature = "pool";

/** The longest token, in characters. */
export const maxTokenLength = 16_384;

/** A whole number of a message: what JSON can hold without loss. */
const integer = number().refine(Number.isSafeInteger, "a whole number");
const safeCount = integer.refine((value) => value >= 0, "a whole number from 0");
const secret = textOf(16, 128);
const windowSize = integer.refine((value) => value >= 16_384 && value <= 0x7fffffff, "a window");
const versions = shortList(integer, 16);
const patterns = shortList(textOf(0, 1024), 1024);

/** A text of so many characters. */
function textOf(min: number, max: number): Shape<string> {
  return text().refine(({ length }) => length >= min && length <= max, `of ${min} to ${max} characters`);
}

function shortList<T>(item: Shape<T>, max: number): Shape<T[]> {
  return listOf(item).refine(({ length }) => length <= max, `an array of up to ${max}`);
}

const gateKind = /^[a-z0-9-]{1,16}$/;
const gateDigest = /^[\x21-\x7e]{1,128}$/;

/** What a client declares of the gate before its service. */
export interface RegisteredGate {
  /** The kinds of proofs that let a visitor in. Empty if only his address decides. */
  kinds: string[];
  /** The same for gates with the same settings. */
  digest: string;
}

/** The shape of {@link RegisteredGate}. */
export const registeredGate = objectOf<RegisteredGate>(
  {
    kinds: listOf(
      text("a word").refine((kind) => gateKind.test(kind), "a word of 1 to 16 of a-z, 0-9 and -"),
      "an array of words",
    ).refine(({ length }) => length <= 8, "an array of up to 8 words"),
    digest: text().refine((digest) => gateDigest.test(digest), "1 to 128 visible characters of ASCII"),
  },
  "an object with kinds and digest",
);

/**
 * What a registration wants: to know what it would get, a name that no other client has, or a name whoever
 * has it.
 */
export type Claim = "check" | "if_free" | "take";

/** A version of the client, such as 1.2.3: nothing in it means anything to a shell or a terminal. */
export const versionForm = /^\d{1,9}\.\d{1,9}\.\d{1,9}(?:-[0-9A-Za-z.-]{1,32})?$/;
const packagePathForm = /^\/client-(?<version>[0-9A-Za-z.-]+)-[0-9a-f]{12}\.tgz$/;

/** The package of the client that a relay serves. */
export interface ClientPackage {
  /** Its version, which is in its path as well. */
  version: string;
  /** Behind the relay's URL. The name has 12 hex digits of the package's hash, and changes with it. */
  path: string;
}

/** One of another form counts as none, so that no client stays away for it. */
const givenPackage = objectOf<ClientPackage>({
  version: textOf(1, 64).refine((version) => versionForm.test(version), "a version"),
  path: text(),
})
  .refine(
    ({ version, path }) => packagePathForm.exec(path)?.groups?.["version"] === version,
    "an object whose path names its version",
  )
  .optional()
  .orElse(undefined);

/** client -> relay, first message. */
export interface RegisterMessage {
  /** The token by which the relay knows the client. */
  token: string;
  /** The name that the client asks for. Null or absent: the relay decides. */
  subdomain?: string | null | undefined;
  /** Binary protocol versions that the client speaks, in any order: the relay takes the highest. */
  protocol?: number[] | undefined;
  /** Drawn once per client process, so that the relay knows a client that returns. */
  instance?: string | undefined;
  /** Bytes of one stream that the client takes before it returns credit. */
  window?: number | undefined;
  /** For the relay's log and status only. */
  client?: { name: string; version: string } | undefined;
  /** This client process was registered before, so it may not evict another client. `resume` implies it. */
  returning?: boolean | undefined;
  /** The client was connected before and wants to go on with its session. */
  resume?: { session: string; secret: string; received: number } | undefined;
  /**
   * The client takes REFUSED, which tells it of requests that the relay refused (PROTOCOL.md, "Refusals").
   */
  refusals?: boolean | undefined;
  /**
   * The gate before the client's service. One of another form counts as none: the message holds without it,
   * so that a form of later versions keeps no client out of a relay that wants no gate.
   */
  gate?: RegisteredGate | undefined;
  /**
   * Absent: `take`. A word that the relay does not know is `unknown`, and gets no tunnel, because it must
   * evict nobody.
   */
  claim?: Claim | "unknown" | undefined;
  /** The client shares its name with other clients of its token that say so. */
  pool?: boolean | undefined;
  /** The client wants to know which package of itself the relay serves. It has come over TLS. */
  clientPackage?: boolean | undefined;
}

const register = objectOf<RegisterMessage>({
  token: textOf(0, maxTokenLength),
  subdomain: passing<string | null>(
    (value) => value === null || (typeof value === "string" && value.length <= 1024),
    "a string or null",
  ).optional(),
  protocol: versions.optional(),
  instance: secret.optional(),
  window: windowSize.optional(),
  client: objectOf({ name: textOf(0, 64), version: textOf(0, 64) }).optional(),
  returning: flag.optional(),
  resume: objectOf({ session: textOf(0, 128), secret, received: safeCount }).optional(),
  refusals: flag.optional(),
  gate: registeredGate.optional().orElse(undefined),
  claim: oneOf<Claim>(["check", "if_free", "take"])
    .optional()
    .orElse("unknown" as const),
  pool: flag.optional(),
  clientPackage: flag.optional(),
});

/** relay -> client: the patterns to pick a name from. */
export interface OfferMessage {
  /** The names, and patterns of names with a `*`, that the token may have. */
  subdomains: string[];
}

const offer = objectOf<OfferMessage>({ subdomains: patterns });

/** client -> relay: the picked name. */
export interface PickMessage {
  /** The name, which fits one of the patterns. */
  subdomain: string;
}

const pick = objectOf<PickMessage>({ subdomain: textOf(0, 1024) });

/** relay -> client: registered. */
export interface AcknowledgeMessage {
  /** The name that the client has got. */
  subdomain: string;
  /** Its public URL. */
  url: string;
  /** The binary version that both ends speak from the next message on; absent: the original's JSON. */
  protocol?: number | undefined;
  /** Id and secret with which the client resumes; present with `protocol`. */
  session?: { id: string; secret: string } | undefined;
  /** Bytes of one stream that the relay takes before it returns credit. */
  window?: number | undefined;
  /** How long the relay keeps the session after a lost link, in milliseconds. */
  resumeTimeoutMs?: number | undefined;
  /**
   * Present when the relay goes on with the client's session: how many bytes of it the relay has received.
   */
  resumed?: { received: number } | undefined;
  /** Every request gives its visitor's address in `X-Tunnel-Visitor`. */
  visitorAddress?: boolean | undefined;
  /** The longest response body that the relay passes on, in bytes; event streams are exempt. */
  maxResponseBody?: number | undefined;
  /** The session is a member of a pool. */
  pool?: boolean | undefined;
  /** The package of the client that the relay serves, if the client asked for it. */
  clientPackage?: ClientPackage | undefined;
}

const acknowledge = objectOf<AcknowledgeMessage>({
  subdomain: textOf(0, 1024),
  url: textOf(0, 4096),
  protocol: integer.optional(),
  session: objectOf({ id: textOf(0, 128), secret }).optional(),
  window: windowSize.optional(),
  resumeTimeoutMs: safeCount.optional(),
  resumed: objectOf({ received: safeCount }).optional(),
  visitorAddress: flag.optional(),
  maxResponseBody: safeCount.optional(),
  pool: flag.optional(),
  clientPackage: givenPackage,
});

/** relay -> client: the answer to a registration with the claim `check`. */
export interface CheckedMessage {
  /** What the relay found. */
  checked: {
    /** What a registration would get, unless the client would have to pick, or gets nothing. */
    subdomain?: string | undefined;
    url?: string | undefined;
    /** Whether a client has the name, or the relay keeps it for one. Present with `subdomain`. */
    inUse?: boolean | undefined;
    /** The patterns that would be offered. */
    subdomains?: string[] | undefined;
    /** The close code and the reason for which a registration with this good token would be refused. */
    refused?: { code: number; reason: string } | undefined;
    /** The relay takes only tunnels with a gate. */
    requiresVisitorAuth: boolean;
    /** The binary versions that the relay speaks. */
    protocols: number[];
    relay: { version: string };
    /** As in the acknowledgement. */
    resumeTimeoutMs: number;
    maxResponseBody: number;
    clientPackage?: ClientPackage | undefined;
  };
}

const checked = objectOf<CheckedMessage>({
  checked: objectOf<CheckedMessage["checked"]>({
    subdomain: textOf(0, 1024).optional(),
    url: textOf(0, 4096).optional(),
    inUse: flag.optional(),
    subdomains: patterns.optional(),
    refused: objectOf({ code: integer, reason: textOf(0, 1024) }).optional(),
    requiresVisitorAuth: flag,
    protocols: versions,
    relay: objectOf({ version: textOf(0, 64) }),
    resumeTimeoutMs: safeCount,
    maxResponseBody: safeCount,
    clientPackage: givenPackage,
  }),
});

/**
 * The longest message, in characters. A long list of patterns takes a tenth of it, and to parse a larger
 * message may take seconds.
 */
const maxMessageLength = 524_288;

function parse<T>(shape: Shape<T>, text: string): T | undefined {
  return text.length > maxMessageLength ? undefined : fromJson(shape, text);
}

// Each of these returns `undefined` for a message of another kind, because the original skips such messages.

/** Reads a {@link RegisterMessage}. */
export const parseRegister = (text: string): RegisterMessage | undefined => parse(register, text);
/** Reads a {@link PickMessage}. */
export const parsePick = (text: string): PickMessage | undefined => parse(pick, text);
/** Reads an {@link OfferMessage}. */
export const parseOffer = (text: string): OfferMessage | undefined => parse(offer, text);
/** Reads a {@link CheckedMessage}. */
export const parseChecked = (text: string): CheckedMessage | undefined => parse(checked, text);
/** Reads an {@link AcknowledgeMessage}. */
export const parseAcknowledge = (text: string): AcknowledgeMessage | undefined => parse(acknowledge, text);
