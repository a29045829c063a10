import { script } from "./script.js";

/**
 * Arguments: the name, the relay, the info as JSON, 1 if the claim may evict, how many tunnels the owner may
 * have, how long names of dead relays are kept, the verdict for those who lose the name, how long it is kept.
 * Answers with the generation and the lines of the displaced entries, or with `gate`, `taken` or
 * `limit`.
 */
export const claim = script(
  "claim a name",
  `
local name, node, text, mayEvict = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
local maxOwned, keepMs, verdict, verdictMs = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7], ARGV[8]
local info = cjson.decode(text)
local micros = clock()
local now = math.floor(micros / 1000)
local owned = key('owner', info.owner)

local function isOver(entry) return leaseEnd(entry.node) + keepMs <= now end

local kept, displaced, over, newest = {}, {}, {}, lastGen()
local named = entriesOf(name)
for _, entry in ipairs(named) do
  if not isOver(entry) and hasOtherGate(entry.info, info) then return { 'gate' } end
end
for _, entry in ipairs(named) do
  -- After a failover, an entry that was put back may be newer than all that the server knows.
  newest = math.max(newest, entry.gen)
  if isOver(entry) then
    over[#over + 1] = entry
  elseif makesWay(entry.info, info) then
    if not mayEvict and not isSameClient(entry.info, info) then return { 'taken' } end
    displaced[#displaced + 1] = entry
  else
    kept[#kept + 1] = entry
  end
end

local function count()
  local counted = redis.call('SCARD', owned)
  for _, entry in ipairs(displaced) do counted = counted - redis.call('SISMEMBER', owned, entry.member) end
  return counted
end

-- Takes out of the owner's set what has no entry: of relays that are to be swept, or of names that somebody
-- else has written to. At most a thousand, so that it takes some milliseconds.
local function prune()
  for _, member in ipairs(redis.call('SRANDMEMBER', owned, 1000)) do
    local gen, other = member:match('^(%d+) (.+)$')
    local entry = gen and pick(other, tonumber(gen))
    if not entry or isOver(entry) then redis.call('SREM', owned, member) end
  end
end

if count() >= maxOwned then
  prune()
  if count() >= maxOwned then return { 'limit' } end
end

local gen = math.max(newest + 1, micros)
local member = digits(gen) .. ' ' .. name
heardOf(node, now)
for _, entry in ipairs(over) do delist(entry) end
grant(
  { name = name, gen = gen, node = node, moving = '0', info = info, text = text, member = member },
  kept, displaced, verdict, verdictMs
)
local answer = { digits(gen) }
for _, entry in ipairs(displaced) do answer[#answer + 1] = entry.line end
return answer
`,
);
