import { randomBytes } from "node:crypto";

/** How long after its handshake a visitor may resume a TLS session, in seconds. OpenSSL's own default. */
export const ticketLifetimeS = 7_200;

/**
 * How often the keys change: a ticket may be good for half as long as a key at most (RFC 9325 section 3.4).
 * Whoever learns a key can read the TLS 1.2 connections that were begun with its tickets.
 */
export const rotationMs = 12 * 3_600_000;

/** A name, a key for HMAC and one for AES, of 16 bytes each. Node wants them in one piece. */
export const ticketKeyBytes = 48;

/**
 * The keys of the tickets with which visitors resume TLS sessions (RFC 5077, RFC 8446 section 4.6.1). They
 * are in no file, outlive every certificate, and change from time to time (RFC 5077 section 5.5).
 * Node knows one set at a time, so a visitor whose ticket is older than the last change makes a whole
 * handshake.
 */
export class TicketKeys {
  #current: Buffer = randomBytes(ticketKeyBytes);
  #onChange: (keys: Buffer) => void = () => {};

  get current(): Buffer {
    return this.#current;
  }

  /** Calls `changed` with each later set of keys. */
  follow(changed: (keys: Buffer) => void): void {
    this.#onChange = changed;
  }

  replace(keys: Buffer): void {
    if (keys.equals(this.#current)) return;
    this.#current = keys;
    this.#onChange(keys);
  }
}

/** What changes the keys from time to time. */
export interface Rotation {
  start(): void;
  close(): void;
}

/** The rotation of a relay that is alone. */
export class OwnRotation implements Rotation {
  readonly #keys: TicketKeys;
  #timer: NodeJS.Timeout | undefined;

  constructor(keys: TicketKeys) {
    this.#keys = keys;
  }

  start(): void {
    this.#timer = setInterval(() => this.#keys.replace(randomBytes(ticketKeyBytes)), rotationMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
