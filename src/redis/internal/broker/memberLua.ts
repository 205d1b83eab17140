/**
 * The members, as they are in Redis: in the slot of the topic in which it is
 * told, so that no membership changes without its being told in the same step.
 *
 * A hash has for each topic and session `holder`, `leaver`, the UTF-16 units of
 * the member's JSON, the generation of the session that has said so, and that JSON,
 * on a line each. The holder is the broker
 * that joined it last, and renews it; `*` after the units says that another has
 * held it before. The leaver, if there is one, has said that it ends by itself;
 * until then it can be joined again. A sorted set has until when it lasts if
 * nothing is said, in milliseconds.
 *
 * Where a broker may still take itself for the holder of a membership that is
 * over, a mark is left for a while: it would join anew what Redis has lost, and
 * sees by it that this one is over. The mark is empty, or is the last holder if
 * that did not renew it in time: it alone may join it anew.
 */

/** At most so many end in one script: the others end in the next. */
const sweptAtOnce = 500

/** KEYS: all of the topic. ARGV[3] to [5] are the retention of what is told. */
export const sweepLua = `
local members, scores = KEYS[4], KEYS[5]

local function tell(tag, member, units)
  keep()
  local text = '{"_tag":"' .. tag .. '","member":'
  append('m', text .. member .. '}', #text + 1 + units, '')
end

local function read(value)
  local holder, leaver, units, moved, generation, member =
    string.match(value, '^([^\\n]*)\\n([^\\n]*)\\n(%d+)(%*?)\\n(%d+)\\n(.*)$')
  return holder, leaver, tonumber(units), member, moved, tonumber(generation)
end

local function write(field, holder, leaver, units, member, moved, generation)
  local lines = { holder, leaver, int(units) .. moved, int(generation), member }
  redis.call('HSET', members, field, table.concat(lines, '\\n'))
end

-- Ends a membership, because it is over or because \`leaver\` says so.
local function remove(field, leaver)
  local value = redis.call('HGET', members, field)
  local holder, left, units, member, moved
  if value then holder, left, units, member, moved = read(value) end
  local by = leaver or left
  if member and (moved == '*' or by ~= '' and by ~= holder) then
    redis.call('HSET', members, field, by == '' and holder or '')
    redis.call('ZADD', scores, int(now + ttl), field)
  else
    redis.call('HDEL', members, field)
    redis.call('ZREM', scores, field)
  end
  if member then tell('Left', member, units) end
end

-- Ends what is over, and says how many are left; the others are there still, and their end is not told yet.
local function sweep()
  local over = redis.call('ZRANGEBYSCORE', scores, '-inf', '(' .. int(now), 'LIMIT', 0, ${sweptAtOnce})
  for _, field in ipairs(over) do remove(field) end
  return redis.call('ZCARD', scores)
end

local function last(millis)
  local life = int(ttl + millis + 60000)
  redis.call('PEXPIRE', members, life)
  redis.call('PEXPIRE', scores, life)
end
`
