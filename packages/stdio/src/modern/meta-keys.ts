// The members of `_meta` that belong to revision 2026-07-28 itself.

/** The revision that a message is of. */
export const protocolVersionKey = "io.modelcontextprotocol/protocolVersion";
export const clientInfoKey = "io.modelcontextprotocol/clientInfo";
export const clientCapabilitiesKey = "io.modelcontextprotocol/clientCapabilities";
/** The id of the `subscriptions/listen` that a message answers. */
export const subscriptionIdKey = "io.modelcontextprotocol/subscriptionId";
