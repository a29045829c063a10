import { z } from "zod";

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

/** The longest token, in characters. */
export const maxTokenLength = 16_384;

const safeCount = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const secret = z.string().min(16).max(128);
const windowSize = z.number().int().min(16_384).max(0x7fffffff);

const gateKind = /^[a-z0-9-]{1,16}$/;
const gateDigest = /^[\x21-\x7e]{1,128}$/;

/** What a client declares of the gate before its service. */
export const registeredGate = z.object(
  {
    /** The kinds of proofs that let a visitor in. Empty if only his address decides. */
    kinds: z
      .array(z.string("a word").regex(gateKind, "a word of 1 to 16 of a-z, 0-9 and -"), "an array of words")
      .max(8, "an array of up to 8 words"),
    /** The same for gates with the same settings. */
    digest: z.string("a string").regex(gateDigest, "1 to 128 visible characters of ASCII"),
  },
  "an object with kinds and digest",
);

export type RegisteredGate = z.infer<typeof registeredGate>;

/**
 * What a registration wants: to know what it would get, a name that no other client has, or a name whoever
 * has it.
 */
export type Claim = "check" | "if_free" | "take";

/** A version of the client, such as 1.2.3: nothing in it means anything to a shell or a terminal. */
export const versionForm = /^\d{1,9}\.\d{1,9}\.\d{1,9}(?:-[0-9A-Za-z.-]{1,32})?$/;
const packagePathForm = /^\/client-(?<version>[0-9A-Za-z.-]+)-[0-9a-f]{12}\.tgz$/;

/** The package of the client that a relay serves. */
const clientPackage = z
  .object(
    {
      version: z
        .string("a string")
        .max(64, "a version of up to 64 characters")
        .regex(versionForm, "a version"),
      /** Behind the relay's URL. The name has 12 hex digits of the package's hash, and changes with it. */
      path: z
        .string("a string")
        .regex(packagePathForm, "/client-, the version, a hyphen, 12 hex digits and .tgz"),
    },
    "an object with version and path",
  )
  .refine(({ version, path }) => packagePathForm.exec(path)?.groups?.["version"] === version, {
    error: "an object whose path names its version",
  });

export type ClientPackage = z.infer<typeof clientPackage>;

const givenPackage = clientPackage.optional().catch(undefined);

const register = z.object({
  token: z.string().max(maxTokenLength),
  subdomain: z.string().max(1024).nullish(),
  /** Binary protocol versions that the client speaks, in any order: the relay takes the highest. */
  protocol: z.array(z.number().int()).max(16).optional(),
  /** Drawn once per client process, so that the relay knows a client that returns. */
  instance: secret.optional(),
  /** Bytes of one stream that the client takes before it returns credit. */
  window: windowSize.optional(),
  /** For the relay's log and status only. */
  client: z.object({ name: z.string().max(64), version: z.string().max(64) }).optional(),
  /** This client process was registered before, so it may not evict another client. `resume` implies it. */
  returning: z.boolean().optional(),
  /** The client was connected before and wants to go on with its session. */
  resume: z.object({ session: z.string().max(128), secret, received: safeCount }).optional(),
  /**
   * The client takes REFUSED, which tells it of requests that the relay refused (PROTOCOL.md, "Refusals").
   */
  refusals: z.boolean().optional(),
  /**
   * The gate before the client's service. One of another form counts as none: the message holds without it,
   * so that a form of later versions keeps no client out of a relay that wants no gate.
   */
  gate: registeredGate.optional().catch(undefined),
  /**
   * Absent: `take`. A word that the relay does not know is `unknown`, and gets no tunnel, because it must
   * evict nobody.
   */
  claim: z
    .enum(["check", "if_free", "take", "unknown"] satisfies (Claim | "unknown")[])
    .optional()
    .catch("unknown"),
  /** The client wants to know which package of itself the relay serves. It has come over TLS. */
  clientPackage: z.boolean().optional(),
});

/** client -> relay, first message. */
export type RegisterMessage = z.infer<typeof register>;

const offer = z.object({ subdomains: z.array(z.string().max(1024)).max(1024) });

/** relay -> client: the patterns to pick a name from. */
export type OfferMessage = z.infer<typeof offer>;

const pick = z.object({ subdomain: z.string().max(1024) });

/** client -> relay: the picked name. */
export type PickMessage = z.infer<typeof pick>;

const acknowledge = z.object({
  subdomain: z.string().max(1024),
  url: z.string().max(4096),
  /** The binary version that both ends speak from the next message on; absent: the original's JSON. */
  protocol: z.number().int().optional(),
  /** Id and secret with which the client resumes; present with `protocol`. */
  session: z.object({ id: z.string().max(128), secret }).optional(),
  /** Bytes of one stream that the relay takes before it returns credit. */
  window: windowSize.optional(),
  /** How long the relay keeps the session after a lost link, in milliseconds. */
  resumeTimeoutMs: safeCount.optional(),
  /**
   * Present when the relay goes on with the client's session: how many bytes of it the relay has received.
   */
  resumed: z.object({ received: safeCount }).optional(),
  /** Every request gives its visitor's address in `X-Tunnel-Visitor`. */
  visitorAddress: z.boolean().optional(),
  /** The longest response body that the relay passes on, in bytes; event streams are exempt. */
  maxResponseBody: safeCount.optional(),
  /** The package of the client that the relay serves, if the client asked for it. */
  clientPackage: givenPackage,
});

/** relay -> client: registered. */
export type AcknowledgeMessage = z.infer<typeof acknowledge>;

const checked = z.object({
  checked: z.object({
    /** What a registration would get, unless the client would have to pick, or gets nothing. */
    subdomain: z.string().max(1024).optional(),
    url: z.string().max(4096).optional(),
    /** Whether a client has the name, or the relay keeps it for one. Present with `subdomain`. */
    inUse: z.boolean().optional(),
    /** The patterns that would be offered. */
    subdomains: z.array(z.string().max(1024)).max(1024).optional(),
    /** The close code and the reason for which a registration with this good token would be refused. */
    refused: z.object({ code: z.number().int(), reason: z.string().max(1024) }).optional(),
    /** The relay takes only tunnels with a gate. */
    requiresVisitorAuth: z.boolean(),
    /** The binary versions that the relay speaks. */
    protocols: z.array(z.number().int()).max(16),
    relay: z.object({ version: z.string().max(64) }),
    /** As in the acknowledgement. */
    resumeTimeoutMs: safeCount,
    maxResponseBody: safeCount,
    clientPackage: givenPackage,
  }),
});

/** relay -> client: the answer to a registration with the claim `check`. */
export type CheckedMessage = z.infer<typeof checked>;

/**
 * The longest message, in characters. A long list of patterns takes a tenth of it, and to parse a larger
 * message may take seconds.
 */
const maxMessageLength = 524_288;

function parse<T>(schema: z.ZodType<T>, text: string): T | undefined {
  if (text.length > maxMessageLength) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const result = schema.safeParse(value);
  return result.success ? result.data : undefined;
}

/**
 * Each of these returns `undefined` for a message of another kind, because the original skips such messages.
 */
export const parseRegister = (text: string): RegisterMessage | undefined => parse(register, text);
export const parsePick = (text: string): PickMessage | undefined => parse(pick, text);
export const parseOffer = (text: string): OfferMessage | undefined => parse(offer, text);
export const parseChecked = (text: string): CheckedMessage | undefined => parse(checked, text);
export const parseAcknowledge = (text: string): AcknowledgeMessage | undefined => parse(acknowledge, text);
