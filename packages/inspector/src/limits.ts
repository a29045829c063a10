/** Bounds of what is kept in memory, and how long hosts wait. */

/** Bytes that all captured exchanges may take. */
export const defaultMaxBytes = 64 * 1_024 * 1_024;
/** Captured exchanges that are kept; the oldest goes first. */
export const defaultMaxExchanges = 2_000;
/** Bytes that are kept of each body; the rest is counted. Event streams keep their newest events. */
export const maxBodyBytes = 256 * 1_024;
