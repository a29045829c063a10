import { script } from "./script.js";

/**
 * Arguments: the name, how long names of dead relays are kept. Answers with the line of each entry.
 * Lines are not looked at: the relay reads them itself.
 */
export const find = script(
  "look a name up",
  `
local found, now, keepMs = {}, millis(), tonumber(ARGV[2])
for line in (textAt(key('name', ARGV[1])) or ''):gmatch('[^\\n]+') do
  local node = line:match('^%d+ (%S+) ')
  if not node or leaseEnd(node) + keepMs > now then
    found[#found + 1] = line
  end
end
return found
`,
);

/** Arguments: the name, the generation. Answers with 1 if there was such an entry. */
export const release = script(
  "release a name",
  `
local entry, others = pick(ARGV[1], tonumber(ARGV[2]))
if not entry then return 0 end
remove(entry, others)
return 1
`,
);

/** Arguments: the name, the generation, 1 if the tunnel is moving. */
export const change = script(
  "tell that a tunnel has changed",
  `
local name, gen, moving = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local entries = entriesOf(name)
for _, entry in ipairs(entries) do
  if entry.gen == gen then
    if entry.moving ~= moving then
      entry.moving = moving
      entry.line = lineOf(entry)
      store(name, entries)
      enlist(entry)
    end
    tellName(name, gen)
  end
end
`,
);
