/** What was read of the messages of one exchange. Kept with the exchange, and small. */
export interface McpReading {
  /** The key of the session in which it is shown. */
  session: string | undefined;
}
