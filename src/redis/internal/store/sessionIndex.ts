/**
 * Sorted sets that say which sessions there are, of a principal or in all, and
 * until when (server's milliseconds), and which gateways.
 */
import { script } from "../script.js"

const now = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`

/** Puts a member into the set for so many milliseconds, and forgets those whose time is over. */
export const add = script(`${now}
local member, millis = ARGV[1], tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now))
redis.call('ZADD', KEYS[1], string.format('%.0f', now + millis), member)
if redis.call('PTTL', KEYS[1]) < millis then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
`)

export const drop = script(`return redis.call('ZREM', KEYS[1], ARGV[1])`)

export const list = script(`return redis.call('ZRANGE', KEYS[1], 0, -1)`)

export const count = script(`${now}
return redis.call('ZCOUNT', KEYS[1], string.format('%.0f', now), '+inf')
`)

const lapsed = `${now}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now))) do
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id)
end
`

/** A gateway, by id, what it says of itself, and for how many milliseconds. */
export const announce = script(`${lapsed}
redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[3])), ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], 86400000)
redis.call('PEXPIRE', KEYS[2], 86400000)
return 0
`)

export const withdraw = script(`
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return 0
`)

export const nodes = script(`${lapsed}
return redis.call('HVALS', KEYS[2])
`)
