/** The scripts of memberships. */

import { script } from "../script.js"
import { logLua } from "./logLua.js"
import { sweepLua } from "./memberLua.js"

const begin = `${logLua}${sweepLua}
open()
`

/**
 * ARGV from 6: field, who asks, milliseconds that it lasts, the session's generation, UTF-16 units of the member's JSON, and that JSON.
 * Answers 1 if the membership is held by who asks, from now on; 0 if another holds it; 2 if nothing has changed, because a higher
 * generation has joined. Then the epoch and the offset of the log's end.
 */
export const join = script(`${begin}
sweep()
local field, asker, lease = ARGV[6], ARGV[7], tonumber(ARGV[8])
local generation, units, member = tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11]
local value = redis.call('HGET', members, field)
local holder, leaver, knownUnits, known, moved, newest
if value then holder, leaver, knownUnits, known, moved, newest = read(value) end
local answer = 1
if known and leaver == asker and holder ~= asker and generation <= newest then
  -- Who had another's membership end after a while, and joins meanwhile, takes that back: it stays the other's.
  write(field, holder, '', knownUnits, known, moved, newest)
  answer = 0
elseif known and generation < newest then
  answer = 2
else
  -- Over a mark, too: whoever it was left for may not have seen it.
  moved = value and (not known or holder ~= asker or moved == '*') and '*' or ''
  write(field, asker, '', units, member, moved, generation)
  if known ~= member then tell(known and 'Changed' or 'Joined', member, units) end
end
if answer ~= 2 then redis.call('ZADD', scores, int(now + lease), field) end
last(lease)
close()
return { answer, log.epoch, int(log.offset) }
`)

/** ARGV from 6: field, who asks, and after how many milliseconds it ends. */
export const leave = script(`${begin}
sweep()
local field, asker, after = ARGV[6], ARGV[7], tonumber(ARGV[8])
local value = redis.call('HGET', members, field)
local holder, _, units, member, moved, generation
if value then holder, _, units, member, moved, generation = read(value) end
if member and after > 0 then
  write(field, holder, asker, units, member, moved, generation)
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
