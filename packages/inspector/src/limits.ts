/** Bounds of what is kept in memory, and how long hosts wait. */

/** Bytes that all captured exchanges may take. */
export const defaultMaxBytes = 64 * 1_024 * 1_024;
/** Captured exchanges that are kept; the oldest goes first. */
export const defaultMaxExchanges = 2_000;
/** Bytes that are kept of each body; the rest is counted. Event streams keep their newest events. */
export const maxBodyBytes = 256 * 1_024;
/** Bytes that are kept of one event of an event stream. */
export const maxEventBytes = 64 * 1_024;
/** Interim heads that are kept of one exchange. */
export const maxInterimHeads = 16;
/**
 * What is captured in a second, in the long run and at once. Beyond that, capture gives way: it would take a
 * part of the processor that visitors need. Of bodies, the bytes that are copied or read count.
 */
export const capturedPerSecond = {
  exchanges: { sustained: 1_000, burst: 2_000 },
  bytes: { sustained: 64 * 1_024 * 1_024, burst: 64 * 1_024 * 1_024 },
} as const;
/**
 * Bytes of packed bodies that are read as MCP in a second, unpacked. A visitor has 300 bytes become 256 KiB,
 * whose reading takes six milliseconds.
 */
export const unpackedPerSecond = { sustained: 8 * 1_024 * 1_024, burst: 16 * 1_024 * 1_024 } as const;
/** Bytes that the reading of an event or a message counts as, because its work is more than its bytes. */
export const readingBytes = 4_096;
