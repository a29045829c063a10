// Preloaded (`node --import`) into programs of others: names under `.localhost` are this machine, as browsers and curl
// know (RFC 6761 section 6.3) and not every system's resolver does.
import dns from "node:dns";

const { lookup } = dns;

dns.lookup = (host, ...rest) => lookup(host.endsWith(".localhost") ? "127.0.0.1" : host, ...rest);
