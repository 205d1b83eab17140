/**
 * The beginning of every script of a topic: the log, as it is in Redis.
 *
 * One key has what is known of the log, as text, so that one command reads it
 * and one writes it with its time to live. A Stream has the publications, each
 * with its offset for an id, its time, and how many UTF-16 units there were
 * before it: Lua, which sees bytes, is told the units. Offsets are contiguous,
 * so where the log begins is found by halving, not by reading all that goes.
 *
 * All time is Redis's own, and never goes back within a log.
 */
import { tagged } from "../keys.js"

/** The keys of a topic: what is known of its log, the log, the members that are told in it, and until when each is one. */
export const topicKeys = (prefix: string, topic: string) => {
  const channel = tagged(prefix, "t", topic)
  const log = [channel, `${channel}:i`, `${channel}:l`] as const
  return { channel, log, all: [...log, `${channel}:m`, `${channel}:x`] as const }
}

/** How much longer than it is needed a key lives, so that nothing hangs on the millisecond in which Redis removes it. */
const grace = 60_000

/**
 * KEYS: channel, information, Stream. ARGV: a new epoch, milliseconds that an
 * unused topic is remembered, and what is kept: messages, units, milliseconds.
 */
export const logLua = `
local channel, info, entries = KEYS[1], KEYS[2], KEYS[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ttl = tonumber(ARGV[2])

-- Exact up to 2^53, as tostring is not.
local function int(n) return string.format('%.0f', n) end

-- offset: of the last; gone: of the last that is not kept any more; units: of all that there were;
-- newest, oldest: times of the last and of the first that is kept; before: units before the first that is kept.
local log

local function forgetAll()
  log.gone = log.offset
  redis.call('DEL', entries)
  log.changed = true
end

local function open()
  local text = redis.call('GET', info)
  if text then
    local o, g, u, n, f, b, km, ku, ka, e =
      string.match(text, '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (.*)$')
    log = { offset = tonumber(o), gone = tonumber(g), units = tonumber(u), newest = tonumber(n), oldest = tonumber(f),
      before = tonumber(b), keptMessages = tonumber(km), keptUnits = tonumber(ku), keptAge = tonumber(ka), epoch = e }
    -- Whatever became of the Stream: what is not there whole is not there.
    if redis.call('XLEN', entries) ~= log.offset - log.gone then forgetAll() end
  else
    log = { offset = 0, gone = 0, units = 0, newest = 0, oldest = 0, before = 0, keptMessages = tonumber(ARGV[3]),
      keptUnits = tonumber(ARGV[4]), keptAge = tonumber(ARGV[5]), epoch = ARGV[1] }
    forgetAll()
  end
end

-- The time of a publication, and the units before it.
local function look(offset)
  local id = int(offset) .. '-0'
  local fields = redis.call('XRANGE', entries, id, id)[1][2]
  return tonumber(fields[2]), tonumber(fields[4])
end

-- Gives up what is beyond the bounds.
local function trim()
  local last = log.offset
  if log.gone == last then return end
  if log.keptMessages < 1 or log.newest + log.keptAge < now then return forgetAll() end
  local function mustGo(offset, at, before)
    return offset <= last - log.keptMessages or at + log.keptAge < now
      or (offset < last and log.units - before > log.keptUnits)
  end
  if not mustGo(log.gone + 1, log.oldest, log.before) then return end
  -- What is known to go, and what is known to stay: often one goes, so near ones are looked at first.
  local goes, stays, step = math.max(log.gone + 1, last - log.keptMessages), last, 1
  local at, before
  while goes + 1 < stays do
    local offset = goes + math.min(step, math.floor((stays - goes) / 2))
    local a, b = look(offset)
    if mustGo(offset, a, b) then
      goes, step = offset, step * 2
    else
      stays, at, before, step = offset, a, b, last
    end
  end
  if at == nil then at, before = look(stays) end
  log.gone, log.oldest, log.before, log.changed = stays - 1, at, before, true
  redis.call('XTRIM', entries, 'MINID', '=', int(stays) .. '-0')
end

-- kind: 'm' if it tells of a member, 'p' otherwise. id: by which a lost answer is given again.
local function append(kind, payload, units, id)
  local at = math.max(now, log.newest)
  if log.offset == log.gone then log.oldest, log.before = at, log.units end
  log.offset, log.newest, log.changed = log.offset + 1, at, true
  local offset, text = int(log.offset), int(at)
  redis.call('XADD', entries, offset .. '-0', 'a', text, 'u', int(log.units), 'i', id, 'p', payload)
  log.units = log.units + units
  redis.call('SPUBLISH', channel, kind .. ' ' .. offset .. ' ' .. text .. ' ' .. log.epoch .. '\\n' .. payload)
  log.appended = true
end

local function close()
  trim()
  local life = math.max(ttl, log.keptAge) + ${grace}
  if log.changed then
    local text = table.concat({ int(log.offset), int(log.gone), int(log.units), int(log.newest), int(log.oldest),
      int(log.before), int(log.keptMessages), int(log.keptUnits), int(log.keptAge), log.epoch }, ' ')
    redis.call('SET', info, text, 'PX', int(life))
    if log.appended then redis.call('PEXPIRE', entries, int(log.keptAge + ${grace})) end
  elseif redis.call('PTTL', info) < life * 0.75 then
    redis.call('PEXPIRE', info, int(life))
  end
end

local function keep()
  log.keptMessages, log.keptUnits, log.keptAge = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
end
`
