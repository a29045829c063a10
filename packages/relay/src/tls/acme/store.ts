import { Certificate } from "../certificate.js";

/**
 * Where a relay keeps what has to outlive it: the key of its account at the authority, and the certificate
 * with its key. Every method rejects with TunnelError `unavailable` if the place cannot be had.
 */
export interface AcmeStore {
  /** How often to look whether another relay has stored a certificate, in milliseconds; without, none can. */
  readonly lookMs: number | undefined;
  /** The account's key as PEM; `undefined` when there is none yet. */
  accountKey(): Promise<string | undefined>;
  saveAccountKey(pem: string): Promise<void>;
  /**
   * The certificate that was stored last: the same object as long as it is the same.
   * @throws TunnelError `invalid_option` when what is stored is no certificate with its key.
   */
  certificate(domain: string): Promise<Certificate | undefined>;
  saveCertificate(domain: string, certificate: Certificate): Promise<void>;
  /**
   * Whether this relay is the one that asks the authority. It has to be called again within `turnMs` to keep
   * the turn, and {@link endTurn} gives it back.
   */
  takeTurn(domain: string): Promise<boolean>;
  endTurn(domain: string): Promise<void>;
  /**
   * For a relay that never asks the authority, because another process of this machine does: calls `read`
   * when that process has stored something, until `close`. `read` says whether what is stored is usable.
   */
  readonly follow?:
    | ((domain: string, read: (isRetry: boolean) => Promise<boolean>) => { close(): void })
    | undefined;
}

/** How long a turn lasts that nobody keeps, because its relay is gone, in milliseconds. */
export const turnMs = 60_000;

/** Tells what is stored of one authority from that of others: its host and path, made plain. */
export function authorityName(directory: string): string {
  const { host, pathname } = new URL(directory);
  return `${host}${pathname}`.replace(/[^a-z0-9.]+/gi, "-");
}

/** Key and certificates in one text, so that no reader ever sees one without the other. */
export function pemOf({ key, cert }: Certificate): string {
  return `${key.trimEnd()}\n${cert.trimEnd()}\n`;
}

/**
 * `source` says in errors where the text comes from.
 * @throws TunnelError `invalid_option` when the text is no certificate with its key.
 */
export function certificateOf(pem: string, source: string): Certificate {
  // Key and certificates are taken apart, because OpenSSL does not promise to find one among the others.
  const blocks = pem.match(/-----BEGIN ([A-Z ]+)-----[^-]*-----END \1-----\n?/g) ?? [];
  const isKey = (block: string): boolean => block.startsWith("-----BEGIN PRIVATE KEY");
  const cert = blocks.filter((block) => !isKey(block)).join("");
  return new Certificate(cert, blocks.filter(isKey).join(""), source);
}
