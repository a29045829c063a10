// Preloaded (`node --import`) into foreign programs: names under `.localhost` are this machine. Browsers and
// curl know that (RFC 6761 section 6.3), but not every system's resolver does.
import dns from "node:dns";

const { lookup } = dns;

dns.lookup = (host, ...rest) => lookup(host.endsWith(".localhost") ? "127.0.0.1" : host, ...rest);
