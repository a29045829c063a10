import { script } from "./script.js";

/** Arguments: the key, the text, the revision that it replaces. Answers with 1 if it was written. */
export const write = script(
  "write a shared text",
  `
local place = key('text', ARGV[1])
local revision = tonumber((textAt(place) or ''):match('^(%d+) ') or 0)
if revision ~= tonumber(ARGV[3]) then return 0 end
redis.call('SET', place, digits(revision + 1) .. ' ' .. ARGV[2])
return 1
`,
);

/** Arguments: the key, the relay, for how long. Answers with 1 if the relay has the lock now. */
export const lock = script(
  "take a lock",
  `
local place = key('lock', ARGV[1])
if (textAt(place) or ARGV[2]) ~= ARGV[2] then return 0 end
redis.call('SET', place, ARGV[2], 'PX', ARGV[3])
return 1
`,
);
