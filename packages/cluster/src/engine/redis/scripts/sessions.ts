import { script } from "./script.js";

/** Arguments: the name, the digest of the session, the generation of the member, how long it is kept. */
export const stick = script(
  "keep the member of a session",
  `
local entry = pick(ARGV[1], tonumber(ARGV[3]))
if not entry then return end
local sticky = key('sticky', ARGV[1] .. ':' .. ARGV[2])
redis.call('SET', sticky, entry.line, 'PX', ARGV[4])
`,
);

/**
 * Arguments: the name, the digest of the session, how long names of dead relays are kept, how long the member
 * is kept. Answers with its generation.
 */
export const stuck = script(
  "look the member of a session up",
  `
local sticky = key('sticky', ARGV[1] .. ':' .. ARGV[2])
local member = readEntry(ARGV[1], textAt(sticky) or '')
if not member then return false end
local now, keepMs = millis(), tonumber(ARGV[3])
for _, entry in ipairs(entriesOf(ARGV[1])) do
  local isIt = entry.gen == member.gen or isSameClient(entry.info, member.info)
  if isIt and leaseEnd(entry.node) + keepMs > now then
    redis.call('SET', sticky, entry.line, 'PX', ARGV[4])
    return digits(entry.gen)
  end
end
return false
`,
);
