import { randomBytes } from "node:crypto";

/** How long after its handshake a visitor may resume a TLS session, in seconds. OpenSSL's own default. */
export const ticketLifetimeS = 7_200;

/**
 * How often the keys change: a ticket may be good for half as long as a key at most (RFC 9325 section 3.4).
 * Whoever learns a key can read the TLS 1.2 connections that were begun with its tickets.
 */
const rotationMs = 12 * 3_600_000;

/** A name, a key for HMAC and one for AES, of 16 bytes each. Node wants them in one piece. */
const keyBytes = 48;

/**
 * The keys of the tickets with which visitors resume TLS sessions (RFC 5077, RFC 8446 section 4.6.1). They
 * are kept in memory only, outlive every certificate, and change from time to time (RFC 5077 section 5.5).
 * Node knows one set at a time, so a visitor whose ticket is older than the last change makes a whole
 * handshake.
 */
export class TicketKeys {
  #current = randomBytes(keyBytes);
  #timer: NodeJS.Timeout | undefined;
  #onChange: (keys: Buffer) => void = () => {};

  get current(): Buffer {
    return this.#current;
  }

  /** Calls `changed` with each later set of keys. */
  follow(changed: (keys: Buffer) => void): void {
    this.#onChange = changed;
  }

  /** Begins to change the keys. */
  start(): void {
    this.#timer = setInterval(() => {
      this.#current = randomBytes(keyBytes);
      this.#onChange(this.#current);
    }, rotationMs).unref();
  }

  /** Changes the keys no more. */
  close(): void {
    clearInterval(this.#timer);
  }
}
