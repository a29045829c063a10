import type { ResponseHead } from "mcp-tunnel-protocol";

/** Whether visitors behind a trusted proxy get interim responses: see the relay's option of this name. */
export const interimToProxies = ["drop", "pass"] as const;
/** Whether visitors behind a trusted proxy get interim responses. @useDeclaredType */
export type InterimToProxies = (typeof interimToProxies)[number];

/** How many bytes of one response's interim heads may wait for the visitor. */
const maxUnsentBytes = 16_384;
/** How many interim heads of a response are passed on: one each second for nearly three hours. */
const maxHeads = 10_000;
/** Bytes that a head, and each of its fields, count besides their text. That is about their cost. */
const headBytes = 256;
const fieldBytes = 32;

/**
 * Decides which interim heads of a response are passed on. They are optional (RFC 9110 section 15.2), and
 * nothing holds them back: neither the tunnel's credit nor HTTP/2's windows. So a head that the visitor does
 * not read is dropped, and not kept.
 */
export class InterimHeads {
  #passed = 0;
  #unsentBytes = 0;

  /** Whether the head may go out. `isAllSent`: no head before it still waits for the visitor. */
  admit({ headers }: ResponseHead, isAllSent: boolean): boolean {
    if (isAllSent) this.#unsentBytes = 0;
    let bytes = headBytes + (fieldBytes * headers.length) / 2;
    for (const text of headers) bytes += text.length;
    if (this.#passed >= maxHeads || this.#unsentBytes + bytes > maxUnsentBytes) return false;
    this.#passed += 1;
    this.#unsentBytes += bytes;
    return true;
  }
}
