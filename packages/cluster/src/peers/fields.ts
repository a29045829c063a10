import { randomBytes } from "node:crypto";
import { headerValue, listValues, type RawHeaders } from "mcp-tunnel-protocol";

/** The clear part of a handshake: header fields of the WebSocket's upgrade (PEERS.md, section 2). */

export const peerPath = "/_tunnel/peer";

/** The versions of the peer protocol that this package speaks. */
const versions: readonly number[] = [1];
export const offeredVersions = versions.join(", ");

/** What this package understands beyond the least of version 1. */
export const ownFeatures: readonly string[] = ["questions", "splice"];

/** What a link is for. */
export type LinkKind = "streams" | "splice";
const kinds: ReadonlySet<string> = new Set<LinkKind>(["streams", "splice"]);

export const versionsField = "X-Tunnel-Peer-Versions";
const versionField = "X-Tunnel-Peer-Version";
const kindField = "X-Tunnel-Peer-Kind";
const fromField = "X-Tunnel-Peer-From";
const toField = "X-Tunnel-Peer-To";
const featuresField = "X-Tunnel-Peer-Features";
const nonceField = "X-Tunnel-Peer-Nonce";
const proofField = "X-Tunnel-Peer-Proof";

const nonceForm = /^[\w-]{43}$/;
const featureForm = /^[a-z0-9-]{1,32}$/;
/** More words than this, and longer ones, are nobody's: they would only cost memory. */
const maxListLength = 256;

/** The id of a relay. Ids of sessions begin with it and a dot, so it has none. */
export const nodeForm = /^[\w-]{1,64}$/;

/** What the relay that dials says in clear. */
export interface Hello {
  /** As it travelled. */
  readonly versions: string;
  readonly kind: string;
  readonly from: string;
  readonly to: string;
  /** As it travelled. */
  readonly features: string;
  readonly nonce: string;
}

/** What the relay that accepts answers in clear. */
export interface Challenge {
  readonly version: number;
  readonly features: string;
  readonly nonce: string;
  readonly proof: string;
}

/** 256 bits that were never used before. */
export function drawNonce(): string {
  return randomBytes(32).toString("base64url");
}

export function helloOf(from: string, to: string, kind: LinkKind): Hello {
  return { versions: offeredVersions, kind, from, to, features: ownFeatures.join(", "), nonce: drawNonce() };
}

export function helloFields(hello: Hello): Record<string, string> {
  return {
    [versionsField]: hello.versions,
    [kindField]: hello.kind,
    [fromField]: hello.from,
    [toField]: hello.to,
    [featuresField]: hello.features,
    [nonceField]: hello.nonce,
  };
}

/** `undefined` if this is not the request of a relay. */
export function readHello(headers: RawHeaders): Hello | undefined {
  const hello = {
    versions: valueOf(headers, versionsField),
    kind: valueOf(headers, kindField),
    from: valueOf(headers, fromField),
    to: valueOf(headers, toField),
    features: valueOf(headers, featuresField),
    nonce: valueOf(headers, nonceField),
  };
  const isSound =
    hello.versions !== "" &&
    featureForm.test(hello.kind) &&
    nodeForm.test(hello.from) &&
    nodeForm.test(hello.to) &&
    nonceForm.test(hello.nonce) &&
    Math.max(hello.versions.length, hello.features.length) <= maxListLength;
  return isSound ? hello : undefined;
}

export function isKnownKind(kind: string): kind is LinkKind {
  return kinds.has(kind);
}

/** The highest version that both ends speak; `undefined` if there is none. */
export function commonVersion(hello: Hello): number | undefined {
  const offered = new Set(hello.versions.split(",").map((version) => Number(version)));
  return versions.findLast((version) => offered.has(version));
}

/** Lines of a response's head. */
export function challengeLines({ version, features, nonce, proof }: Challenge): string[] {
  return [
    `${versionField}: ${version}`,
    `${featuresField}: ${features}`,
    `${nonceField}: ${nonce}`,
    `${proofField}: ${proof}`,
  ];
}

/** `undefined` if this is not the answer of a relay, or of one that chose what was not offered. */
export function readChallenge(headers: RawHeaders): Challenge | undefined {
  const challenge = {
    version: Number(valueOf(headers, versionField)),
    features: valueOf(headers, featuresField),
    nonce: valueOf(headers, nonceField),
    proof: valueOf(headers, proofField),
  };
  const isSound =
    versions.includes(challenge.version) &&
    nonceForm.test(challenge.nonce) &&
    challenge.features.length <= maxListLength;
  return isSound ? challenge : undefined;
}

/** The words of a list of features. Words of a form that none has are left out. */
export function featuresOf(list: string): readonly string[] {
  return listValues([featuresField, list], featuresField.toLowerCase()).filter((word) =>
    featureForm.test(word),
  );
}

function valueOf(headers: RawHeaders, name: string): string {
  return headerValue(headers, name.toLowerCase()) ?? "";
}
