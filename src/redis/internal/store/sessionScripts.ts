/**
 * The scripts of the session store. A session is a hash at its tagged
 * name and, beside it, `:o`, the list of messages that its client has not
 * acknowledged, `:b`, its mailbox, and `:f`, the messages of the client that were refused last. Of what is gone the hash is
 * left for a while, to say why.
 *
 * The fields: `p` principal, `v` subprotocol, `g` generation, `h` secret's hash,
 * `b` the one before, `t` attempt, `s` sent, `a` acked, `r` processed, `x` until
 * when it is kept (server's milliseconds), `w` whether a gateway holds it, `n`
 * the node that held it last, `m` mail taken, `c` bytes of mail, `i` invitations, `T` tombstone.
 *
 * Every key has a time to live, which the holder of a session renews: nothing
 * is left for ever, whoever dies. Lua's numbers are exact up to 2^53; they are
 * written by `%.0f`, since `tostring` rounds them to 14 digits.
 */
import { tagged } from "../keys.js"
import { script } from "../script.js"

/** KEYS of a session: what is known of it, what its client has not acknowledged, its mailbox, what was refused. */
export const sessionKeys = (prefix: string, id: string): ReadonlyArray<string> => {
  const name = tagged(prefix, "s", id)
  return [name, `${name}:o`, `${name}:b`, `${name}:f`]
}

/** The outcomes of a fenced operation, as the scripts tell them. */
export const done = 0
export const fenced = 1
export const gone = 2

/** The server's time, in milliseconds since the epoch. */
export const serverTime = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`

const prelude = `${serverTime}
local int = function(n) return string.format('%.0f', n) end
local S, O, B, F = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local keep = function(x, grave, list)
  redis.call('PEXPIREAT', S, int(x + grave))
  redis.call('PEXPIREAT', O, int(x + list))
  redis.call('PEXPIREAT', B, int(x + list))
  redis.call('PEXPIREAT', F, int(x + list))
end
local bury = function(tombstone, grave)
  redis.call('DEL', O, B, F)
  redis.call('HDEL', S, 'v', 'g', 't', 's', 'a', 'r', 'x', 'w', 'n', 'm', 'c', 'i')
  redis.call('HSET', S, 'T', tombstone)
  redis.call('PEXPIRE', S, int(grave))
end
local expired = '{"_tag":"Expired"}'
`

/** Takes the mail up to a number out of the mailbox. */
const takeMail = `
local takeMail = function(taken, m)
  if taken <= m then return end
  local bytes = 0
  for _, item in ipairs(redis.call('LPOP', B, int(taken - m)) or {}) do bytes = bytes + #item - 1 end
  redis.call('HSET', S, 'm', int(taken))
  redis.call('HINCRBY', S, 'c', int(-bytes))
end
`

/** For operations of an owner: ARGV[1] is its generation, ARGV[2] how long a tombstone is kept. */
const owner = `${prelude}
local generation, grave = tonumber(ARGV[1]), tonumber(ARGV[2])
local g, x, w, s, a, r, m = unpack(redis.call('HMGET', S, 'g', 'x', 'w', 's', 'a', 'r', 'm'))
if not g then return {${gone}} end
g, x, s, a, r, m = tonumber(g), tonumber(x), tonumber(s), tonumber(a), tonumber(r), tonumber(m)
-- Newer than any that is known: the last writes were lost, with what this owner had.
if generation > g then return {${gone}} end
if generation < g then return {${fenced}} end
-- One that is held is its holder's even when that could not renew it in time.
if w == '' and x < now then
  bury(expired, grave)
  return {${gone}}
end
`

export const create = script(`${prelude}
local p, v, h, node, lease, grave = unpack(ARGV)
redis.call('DEL', S, O, B, F)
local x = now + tonumber(lease)
redis.call('HSET', S, 'p', p, 'v', v, 'g', 1, 'h', h, 'b', '', 't', 0, 's', 0, 'a', 0, 'r', 0, 'x', int(x),
  'w', 1, 'n', node, 'm', 0, 'c', 0)
redis.call('PEXPIREAT', S, int(x + tonumber(grave)))
return 0
`)

export const attach = script(
  `${prelude}
local p, hash, nextHash, attempt, node, lease, grave = unpack(ARGV)
lease, grave = tonumber(lease), tonumber(grave)
local principal, h, b, T = unpack(redis.call('HMGET', S, 'p', 'h', 'b', 'T'))
if not principal then return {'Unknown'} end
if principal ~= p or hash == '' or (hash ~= h and hash ~= b) then return {'Mismatch'} end
if T then return {'Gone', T} end
local g, x, t, s, a, r, v, n, m, i = unpack(redis.call('HMGET', S, 'g', 'x', 't', 's', 'a', 'r', 'v', 'n', 'm', 'i'))
if tonumber(x) < now then
  bury(expired, grave)
  return {'Gone', expired}
end
if attempt ~= '' and tonumber(attempt) <= tonumber(t) then return {'Superseded'} end
-- What was evicted, or lost in a failover, cannot be gone on from.
if redis.call('LLEN', O) ~= tonumber(s) - tonumber(a) then
  redis.call('DEL', S, O, B, F)
  return {'Unknown'}
end
x = now + lease
redis.call('HSET', S, 'g', int(tonumber(g) + 1), 'h', nextHash, 'b', hash, 'x', int(x), 'w', 1, 'n', node)
if attempt ~= '' then redis.call('HSET', S, 't', attempt) end
keep(x, grave, grave)
return {'Attached', g, v, s, a, r, m, n, i or '', redis.call('LRANGE', O, 0, -1), redis.call('LRANGE', B, 0, -1),
  redis.call('LRANGE', F, 0, -1)}
`,
  { isBinary: true }
)

export const confirm = script(`${owner}
redis.call('HSET', S, 'b', '')
return {${done}}
`)

/** After the two: the number of the first message, and for each its item and the number of its mail, or nothing. */
export const append = script(`${owner}${takeMail}
local first = tonumber(ARGV[3])
-- The last writes were lost: what follows them would leave a gap.
if #ARGV > 3 and first > s + 1 then
  redis.call('DEL', S, O, B, F)
  return {${gone}}
end
local taken = m
for i = 4, #ARGV, 2 do
  local seq = first + (i - 4) / 2
  if seq > s then
    redis.call('RPUSH', O, ARGV[i])
    s = seq
    if ARGV[i + 1] ~= '' then taken = math.max(taken, tonumber(ARGV[i + 1])) end
  end
end
redis.call('HSET', S, 's', int(s))
redis.call('PEXPIREAT', O, int(x + grave))
takeMail(taken, m)
return {${done}}
`)

/**
 * After the two: what the client has processed, what was processed of it, up to which mail is dropped, and the invitations, or nothing where
 * they have not changed; then, where messages were refused, how many are kept, and of each its number and what is kept of it.
 */
export const acknowledge = script(`${owner}${takeMail}
local acked, processed = tonumber(ARGV[3]), tonumber(ARGV[4])
takeMail(tonumber(ARGV[5]), m)
if ARGV[6] ~= '' then redis.call('HSET', S, 'i', ARGV[6]) end
if #ARGV > 6 then
  for i = 8, #ARGV, 2 do
    if tonumber(ARGV[i]) > r then redis.call('RPUSH', F, ARGV[i + 1]) end
  end
  redis.call('LTRIM', F, int(-tonumber(ARGV[7])), -1)
  redis.call('PEXPIREAT', F, int(x + grave))
end
if processed > r then redis.call('HSET', S, 'r', int(processed)) end
if acked > a then
  if s > a then redis.call('LPOP', O, int(math.min(acked, s) - a)) end
  -- A client has processed what a failover has lost here.
  redis.call('HSET', S, 'a', int(acked), 's', int(math.max(acked, s)))
end
return {${done}}
`)

/** After the two: the window. */
export const detach = script(`${owner}
x = now + tonumber(ARGV[3])
redis.call('HSET', S, 'x', int(x), 'w', '')
keep(x, grave, 1000)
return {${done}, redis.call('HGET', S, 'p')}
`)

/** After the two: the tombstone, or nothing. */
export const remove = script(`${owner}
local p = redis.call('HGET', S, 'p')
if ARGV[3] == '' then redis.call('DEL', S, O, B, F) else bury(ARGV[3], grave) end
return {${done}, p}
`)

/** After the two: the lease. Tells how much mail there is. */
export const renew = script(`${owner}
if w == '' then return {${done}, 0} end
x = now + tonumber(ARGV[3])
redis.call('HSET', S, 'x', int(x))
keep(x, grave, grave)
return {${done}, redis.call('LLEN', B)}
`)

/** The principal ('' for any), the tombstone, and how long it is kept. Tells whether it was removed, and from whom. */
export const revoke = script(`${prelude}
local principal, tombstone, grave = ARGV[1], ARGV[2], tonumber(ARGV[3])
local p, g, x, n = unpack(redis.call('HMGET', S, 'p', 'g', 'x', 'n'))
if not g or (principal ~= '' and p ~= principal) then return {0} end
if tonumber(x) < now then
  bury(expired, grave)
  return {0}
end
bury(tombstone, grave)
return {1, p, g, n}
`)

export const find = script(`${prelude}
local p, v, x = unpack(redis.call('HMGET', S, 'p', 'v', 'x'))
if not x or tonumber(x) < now then return {} end
return {p, v}
`)

/** KEYS[5] is that of the mail. Its item, how many messages and bytes there may be, and how long its key is remembered. */
export const post = script(`${prelude}
local item, messages, bytes, window = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local x, c, n = unpack(redis.call('HMGET', S, 'x', 'c', 'n'))
if not x or tonumber(x) < now then return {'Unknown'} end
if redis.call('EXISTS', KEYS[5]) == 1 then return {'Posted', n} end
local length = redis.call('LLEN', B)
local size = #item - 1
if length > 0 and (length >= messages or tonumber(c) + size > bytes) then return {'Full'} end
redis.call('SET', KEYS[5], '', 'PX', window)
redis.call('RPUSH', B, item)
redis.call('HINCRBY', S, 'c', size)
redis.call('PEXPIRE', B, redis.call('PTTL', S))
return {'Posted', n}
`)

export const collect = script(
  `${owner}
return {${done}, int(m), redis.call('LRANGE', B, 0, -1)}
`,
  { isBinary: true }
)
