/** The scripts of a log: to publish, and to read. */

import { script } from "../script.js"
import { logLua } from "./logLua.js"
import { sweepLua } from "./memberLua.js"

/** The newest publications among which one whose answer was lost is looked for. */
const looked = 1000

/**
 * KEYS: of the log, and of the idempotency key if there is one. ARGV from 6: payload, its UTF-16 units, an id, the
 * milliseconds since it was first asked for if it may have been published then (else empty), and of the idempotency
 * key the payload's fingerprint, the window, and whether one that is not known publishes nothing (else empty). Answers
 * `offset epoch`, `reused`, or `new`.
 */
export const publish = script(`${logLua}
local key = KEYS[4]
local payload, units, id, asked, print, window = ARGV[6], tonumber(ARGV[7]), ARGV[8], ARGV[9], ARGV[10], ARGV[11]
if key then
  local known = redis.call('GET', key)
  if known then
    local before, position = string.match(known, '^(%S+) (.*)$')
    return before == print and position or 'reused'
  end
  if ARGV[12] ~= '' then return 'new' end
end
open()
if asked ~= '' then
  local from, seen = '+', 0
  local oldest = now - tonumber(asked)
  while seen < ${looked} do
    local found = redis.call('XREVRANGE', entries, from, '-', 'COUNT', 20)
    for _, entry in ipairs(found) do
      local fields = entry[2]
      if fields[6] == id then return string.match(entry[1], '^%d+') .. ' ' .. log.epoch end
      if tonumber(fields[2]) < oldest then found = {} break end
    end
    if #found < 20 then break end
    seen, from = seen + #found, '(' .. found[#found][1]
  end
end
keep()
append('p', payload, units, id)
close()
local position = int(log.offset) .. ' ' .. log.epoch
if key then redis.call('SET', key, print .. ' ' .. position, 'PX', window) end
return position
`)

/**
 * KEYS: all of the topic. ARGV from 6: `since` or nothing, its epoch and offset, the limit, and the time of the
 * publication at `since` if that is known, which is another when a failover has lost it. Answers why it is
 * refused (else nothing), the end's epoch, offset and time, how many memberships end by themselves, and the
 * publications: the first offset, then time and payload of each.
 */
export const history = script(`${logLua}${sweepLua}
open()
local members = sweep()
trim()
local isSince, epoch, since, limit = ARGV[6] ~= '', ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9])
local refused, publications = '', {}
if not isSince then since = log.gone
elseif epoch ~= log.epoch then refused = 'epoch'
elseif since > log.offset then refused = 'ahead'
elseif since < log.gone then refused = 'expired'
elseif ARGV[10] ~= '' and since > log.gone then
  local there = redis.call('XRANGE', entries, int(since) .. '-0', '+', 'COUNT', 1)[1]
  if there and there[2][2] ~= ARGV[10] then refused = 'ahead' end
end
if refused == '' and limit > 0 and since < log.offset then
  publications[1] = int(since + 1)
  for _, entry in ipairs(redis.call('XRANGE', entries, int(since + 1) .. '-0', '+', 'COUNT', int(limit))) do
    publications[#publications + 1] = entry[2][2]
    publications[#publications + 1] = entry[2][8]
  end
end
close()
return { refused, log.epoch, int(log.offset), int(log.newest), members, publications }
`)
