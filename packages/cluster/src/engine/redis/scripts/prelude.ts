/**
 * What the scripts have in common. They get no key but the base of all keys, because most of the keys follow
 * from what the scripts find: the relay of a displaced tunnel, say.
 *
 * - Numbers in Lua are doubles, which hold a generation exactly. But `..` and `tostring` write 14 digits of
 *   it, and cjson does as well. So generations are written by `digits`, and are texts wherever they are kept.
 * - Text that cannot be read (of other programs, say) counts as absent, and is overwritten in time.
 * - The clock is the server's. Scripts that differ by less than its microsecond get generations that differ
 *   by one.
 */
export const prelude = `
local base = KEYS[1]

local function key(kind, id) return base .. kind .. ':' .. id end

local function digits(number) return string.format('%.0f', number) end

-- Microseconds since 1970.
local function clock()
  local now = redis.call('TIME')
  return now[1] * 1000000 + now[2]
end

local function millis() return math.floor(clock() / 1000) end

-- What stands at a key; nil if that is no text, because another program has put something else there.
local function textAt(place)
  local value = redis.pcall('GET', place)
  return type(value) == 'string' and value or nil
end

-- ---- entries

local function isTextOrNone(value) return value == nil or type(value) == 'string' end

local function isInfo(info)
  return type(info) == 'table' and type(info.owner) == 'string' and type(info.address) == 'string'
    and (info.wire == 'v1' or info.wire == 'json') and type(info.takesRefusals) == 'boolean'
    and isTextOrNone(info.instance) and isTextOrNone(info.session) and isTextOrNone(info.pool)
end

-- A line: generation, relay, 1 if the tunnel is moving, and its info as JSON. nil if it cannot be read.
local function readEntry(name, line)
  local gen, node, moving, text = line:match('^(%d+) (%S+) ([01]) (.+)$')
  if not gen or tonumber(gen) > 9007199254740991 then return nil end
  local isJson, info = pcall(cjson.decode, text)
  if not isJson or not isInfo(info) then return nil end
  return {
    name = name, gen = tonumber(gen), node = node, moving = moving, info = info, text = text, line = line,
    -- How the sets of owners and relays name the entry.
    member = gen .. ' ' .. name,
  }
end

local function entriesOf(name)
  local entries = {}
  for line in (textAt(key('name', name)) or ''):gmatch('[^\\n]+') do
    entries[#entries + 1] = readEntry(name, line)
  end
  return entries
end

local function lineOf(entry)
  return digits(entry.gen) .. ' ' .. entry.node .. ' ' .. entry.moving .. ' ' .. entry.text
end

local function store(name, entries)
  if #entries == 0 then return redis.call('DEL', key('name', name)) end
  local lines = {}
  for i, entry in ipairs(entries) do lines[i] = entry.line end
  redis.call('SET', key('name', name), table.concat(lines, '\\n'))
end

-- The entry with the generation, and the others.
local function pick(name, gen)
  local picked, others = nil, {}
  for _, entry in ipairs(entriesOf(name)) do
    if entry.gen == gen then picked = entry else others[#others + 1] = entry end
  end
  return picked, others
end

-- ---- sets: of each relay, all its entries; of each owner, those that count for its limit

local function enlist(entry)
  redis.call('SADD', key('held', entry.node), entry.member)
  redis.call(entry.moving == '1' and 'SREM' or 'SADD', key('owner', entry.info.owner), entry.member)
end

local function delist(entry)
  redis.call('SREM', key('held', entry.node), entry.member)
  redis.call('SREM', key('owner', entry.info.owner), entry.member)
end

-- ---- relays: when the lease of each ends or has ended, in milliseconds since 1970

local function leaseEnd(node) return tonumber(redis.call('ZSCORE', base .. 'nodes', node) or 0) end

-- Keeps the names of a relay without a lease from now on. It was just heard of.
local function heardOf(node, now) redis.call('ZADD', base .. 'nodes', 'GT', now, node) end

local function isAlive(node, now)
  return leaseEnd(node) > now and redis.call('HEXISTS', base .. 'infos', node) == 1
end

-- ---- events

local function tellNodes() redis.call('PUBLISH', base .. 'events', 'nodes') end

local function identityOf(info)
  return { instance = info.instance, owner = info.owner, address = info.address }
end

-- "by" is the info of the client whose claim this is, if it is one.
local function tellName(name, gen, by)
  local about = { name = name }
  if by then
    about.by = identityOf(by)
    about.pool = by.pool
  end
  redis.call('PUBLISH', base .. 'events', 'name ' .. digits(gen) .. ' ' .. cjson.encode(about))
end

local function remove(entry, others)
  store(entry.name, others)
  delist(entry)
  tellName(entry.name, entry.gen)
end

-- ---- claims

local function isSameClient(one, other)
  return one.instance ~= nil and one.instance == other.instance and one.owner == other.owner
end

-- Whether a tunnel loses its name to a newer one. Members of one pool share it.
local function makesWay(older, newer)
  local isPool = newer.pool ~= nil and older.pool == newer.pool and older.owner == newer.owner
  return not isPool or isSameClient(older, newer)
end

-- Whether two clients would be members of one pool if their gates did not differ.
local function hasOtherGate(older, newer)
  local arePools = older.owner == newer.owner and older.pool ~= nil and newer.pool ~= nil
  return arePools and older.pool ~= newer.pool and not isSameClient(older, newer)
end

local function lastGen() return tonumber(textAt(base .. 'gen') or 0) or 0 end

-- Gives the name to an entry. "kept" share it, "displaced" lose it.
local function grant(entry, kept, displaced, verdict, verdictMs)
  for _, old in ipairs(displaced) do
    delist(old)
    -- For a relay that does not hear the event.
    local displacedOf = key('displaced', old.node)
    redis.call('HSET', displacedOf, old.member, cjson.encode(identityOf(entry.info)))
    redis.call('PEXPIRE', displacedOf, verdictMs)
    if old.info.session and not isSameClient(old.info, entry.info) then
      redis.call('SET', key('verdict', old.info.session), verdict, 'PX', verdictMs)
    end
  end
  entry.line = lineOf(entry)
  kept[#kept + 1] = entry
  store(entry.name, kept)
  enlist(entry)
  if entry.gen > lastGen() then redis.call('SET', base .. 'gen', digits(entry.gen)) end
  tellName(entry.name, entry.gen, entry.info)
end
`.trim();
