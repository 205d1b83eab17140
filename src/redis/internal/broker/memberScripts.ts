/** The scripts of memberships. */

import { script } from "../script.js"
import { logLua } from "./logLua.js"
import { sweepLua } from "./memberLua.js"

const begin = `${logLua}${sweepLua}
open()
`

/**
 * ARGV from 6: field, who asks, milliseconds that it lasts, UTF-16 units of the member's JSON, and that JSON.
 * Answers 1 if the membership is held by who asks, from now on; 0 if another holds it.
 */
export const join = script(`${begin}
sweep()
local field, asker, lease, units, member = ARGV[6], ARGV[7], tonumber(ARGV[8]), ARGV[9], ARGV[10]
local value = redis.call('HGET', members, field)
local holder, leaver, knownUnits, known, moved
if value then holder, leaver, knownUnits, known, moved = read(value) end
-- Who had another's membership end after a while, and joins meanwhile, takes that back: it stays the other's.
local isRestored = known and leaver == asker and holder ~= asker
if known then units, member = knownUnits, known end
if not isRestored then
  -- Over a mark, too: whoever it was left for may not have seen it.
  moved = value and (not known or holder ~= asker or moved == '*') and '*' or ''
  holder = asker
end
write(field, holder, '', units, member, moved)
redis.call('ZADD', scores, int(now + lease), field)
if not known then tell('Joined', member, tonumber(units)) end
last(lease)
close()
return isRestored and 0 or 1
`)

/** ARGV from 6: field, who asks, and after how many milliseconds it ends. */
export const leave = script(`${begin}
sweep()
local field, asker, after = ARGV[6], ARGV[7], tonumber(ARGV[8])
local value = redis.call('HGET', members, field)
local holder, _, units, member, moved
if value then holder, _, units, member, moved = read(value) end
if member and after > 0 then
  write(field, holder, asker, units, member, moved)
  redis.call('ZADD', scores, int(now + after), field)
elseif member then
  remove(field, asker)
end
last(after)
close()
`)

/**
 * ARGV from 6: who asks, milliseconds that they last, and fields. Answers a digit for each: 0 it lasts, or ends as was
 * said of it; 1 it is over, or another's; 2 it is not known, or was taken for over because it was not renewed.
 */
export const renew = script(`${begin}
local asker, lease = ARGV[6], tonumber(ARGV[7])
local answers = {}
for i = 8, #ARGV do
  local value = redis.call('HGET', members, ARGV[i])
  local holder, leaver
  if value then holder, leaver = read(value) end
  if not value or value == asker then answers[#answers + 1] = '2'
  elseif holder ~= asker then answers[#answers + 1] = '1'
  else
    answers[#answers + 1] = '0'
    if leaver == '' then redis.call('ZADD', scores, int(now + lease), ARGV[i]) end
  end
end
-- After it: what is renewed late, and was not told to be over yet, is not over.
sweep()
last(lease)
close()
return table.concat(answers)
`)

/** ARGV from 6: what the fields of the topic begin with. Answers the end's epoch and offset, and the members' JSON. */
export const list = script(`${begin}
sweep()
local prefix = ARGV[6]
local found = {}
local all = redis.call('HGETALL', members)
for i = 1, #all, 2 do
  if string.sub(all[i], 1, #prefix) == prefix then
    local _, _, _, member = read(all[i + 1])
    if member then found[#found + 1] = member end
  end
end
close()
return { log.epoch, int(log.offset), found }
`)

/** Answers how many memberships there are still. */
export const sweep = script(`${begin}
local left = sweep()
close()
return left
`)
