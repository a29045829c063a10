// Preloaded (`node --import`) into the commands: what a name server says of the names of a test. One below
// `missing.test` does not exist, and of one below `away.test` nothing can be said now. All others below
// `.test` are this machine.
import dns from "node:dns";
import { syncBuiltinESMExports } from "node:module";

const { lookup } = dns;

dns.lookup = (host, ...rest) => {
  const code = /(?:^|\.)missing\.test$/.test(host)
    ? "ENOTFOUND"
    : /(?:^|\.)away\.test$/.test(host)
      ? "EAI_AGAIN"
      : undefined;
  if (code !== undefined) {
    const error = Object.assign(new Error(`getaddrinfo ${code} ${host}`), { code, hostname: host });
    process.nextTick(rest.at(-1), error);
  } else lookup(host.endsWith(".test") ? "127.0.0.1" : host, ...rest);
};

// For modules that import the function by its name.
syncBuiltinESMExports();
