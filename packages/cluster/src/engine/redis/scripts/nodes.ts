import { script } from "./script.js";

/** Arguments: the relay, its info as JSON, the length of its lease. */
export const renew = script(
  "renew the lease",
  `
local node, info, leaseMs = ARGV[1], ARGV[2], tonumber(ARGV[3])
local now = millis()
local isNew = not isAlive(node, now) or redis.call('HGET', base .. 'infos', node) ~= info
redis.call('ZADD', base .. 'nodes', now + leaseMs, node)
redis.call('HSET', base .. 'infos', node, info)
if isNew then tellNodes() end
`,
);

/** Argument: the relay. */
export const leave = script(
  "give the lease up",
  `
local now = millis()
if isAlive(ARGV[1], now) then
  redis.call('ZADD', base .. 'nodes', now, ARGV[1])
  tellNodes()
end
`,
);

/** Answers with the infos of the relays that are alive. */
export const listNodes = script(
  "list the relays",
  `
local infos = {}
for _, node in ipairs(redis.call('ZRANGEBYSCORE', base .. 'nodes', '(' .. digits(millis()), '+inf')) do
  -- A relay that has claimed names and never joined has none.
  infos[#infos + 1] = redis.call('HGET', base .. 'infos', node) or nil
end
return infos
`,
);
