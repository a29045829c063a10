import { script } from "./script.js";

/**
 * Compares a part of what a relay holds. Arguments: the relay, the verdict for those who lose a name, how
 * long it is kept, then the name and the line of each tunnel. Answers with how many entries were put back,
 * how many entries and losses of the relay the engine knows now, and the place (from 0) of each tunnel that
 * has lost its name, with the client that has displaced it, as JSON.
 *
 * Mostly all is as it should be, so a line is taken apart only if the value of its name does not hold it.
 */
export const compare = script(
  "compare what the relay holds",
  `
local node, verdict, verdictMs = ARGV[1], ARGV[2], ARGV[3]
local held = key('held', node)
local first = 4
local putBack, lost = 0, {}

-- Returns the client to which the tunnel has lost its name, as JSON, if it has.
local function settle(name, line)
  local own = readEntry(name, line)
  local known, others = pick(name, own.gen)
  if known and known.text == own.text and known.node == node then
    -- Only what the relay says of its moving is newer.
    others[#others + 1] = own
    store(name, others)
    enlist(own)
    tellName(name, own.gen)
    return nil
  end
  local kept, older = {}, {}
  for _, other in ipairs(others) do
    if other.gen > own.gen and makesWay(own.info, other.info) then
      return cjson.encode(identityOf(other.info))
    end
    if other.gen < own.gen and makesWay(other.info, own.info) then older[#older + 1] = other
    else kept[#kept + 1] = other end
  end
  local by = redis.call('HGET', key('displaced', node), own.member)
  if by then return by end
  grant(own, kept, older, verdict, verdictMs)
  putBack = putBack + 1
  return nil
end

heardOf(node, millis())
local names = {}
for i = first, #ARGV, 2 do names[#names + 1] = key('name', ARGV[i]) end
-- A key of another type is like none here.
local values = #names > 0 and redis.call('MGET', unpack(names)) or {}
local members = {}
for place = 0, #names - 1 do
  local name, line = ARGV[first + 2 * place], ARGV[first + 2 * place + 1]
  local value = values[place + 1]
  local by = nil
  if value ~= line and not (value and ('\\n' .. value .. '\\n'):find('\\n' .. line .. '\\n', 1, true)) then
    by = settle(name, line)
  end
  if by then
    lost[#lost + 1] = place
    lost[#lost + 1] = by
  else
    members[#members + 1] = line:match('^%d+') .. ' ' .. name
  end
end
if #members > 0 then redis.call('SADD', held, unpack(members)) end
local answer = { putBack, redis.call('SCARD', held), redis.call('HLEN', key('displaced', node)) }
for _, what in ipairs(lost) do answer[#answer + 1] = what end
return answer
`,
);

/** Argument: the relay. Answers with what it has in the engine: members of its set, and of its losses. */
export const inventory = script(
  "list what the relay has",
  `
return {
  redis.call('SMEMBERS', key('held', ARGV[1])),
  redis.call('HKEYS', key('displaced', ARGV[1])),
}
`,
);

/**
 * Takes away what a relay does not hold. Arguments: the relay, the length of a lease, then the members of its
 * set. Younger ones than a lease are left alone: the answer to a claim may be on its way.
 */
export const drop = script(
  "take away what the relay does not hold",
  `
local node, youngest = ARGV[1], clock() - tonumber(ARGV[2]) * 1000
for i = 3, #ARGV do
  local member = ARGV[i]
  local gen, name = member:match('^(%d+) (.+)$')
  if not gen or tonumber(gen) <= youngest then
    if gen then
      local entry, others = pick(name, tonumber(gen))
      if entry and entry.node == node then remove(entry, others) end
    end
    redis.call('SREM', key('held', node), member)
    redis.call('HDEL', key('displaced', node), member)
  end
end
`,
);

/**
 * Takes away names of relays that are dead for long. Arguments: how long they are kept, how many names at
 * most. Answers with how many were taken away: if it is less, no more are left.
 */
export const sweep = script(
  "sweep the names of dead relays",
  `
local keepMs, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local swept = 0
local dead = redis.call('ZRANGEBYSCORE', base .. 'nodes', '-inf', digits(millis() - keepMs), 'LIMIT', 0, 100)
for _, node in ipairs(dead) do
  local members = redis.call('SPOP', key('held', node), most - swept)
  for _, member in ipairs(members) do
    local gen, name = member:match('^(%d+) (.+)$')
    local entry, others = nil, nil
    if gen then entry, others = pick(name, tonumber(gen)) end
    if entry and entry.node == node then remove(entry, others) end
  end
  swept = swept + #members
  if swept >= most then return swept end
  redis.call('ZREM', base .. 'nodes', node)
  redis.call('HDEL', base .. 'infos', node)
  -- What it has lost is kept as long as the verdicts: a relay that was cut off may come back later.
end
return swept
`,
);
