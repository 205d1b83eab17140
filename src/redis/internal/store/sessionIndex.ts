/**
 * Sorted sets that say which sessions there are, of a principal or in all, and
 * until when (server's milliseconds). They may say too much, and for a while too
 * little: a renewal puts that right.
 */
import * as Effect from "effect/Effect"
import type { StoreUnavailable } from "../../../protocol/ConnectionError.js"
import { slotOf } from "../hashSlot.js"
import { escape, tagged, unescape } from "../keys.js"
import { type Call, script } from "../script.js"
import { serverTime } from "./sessionScripts.js"
import type { StoreCommands } from "./storeCommands.js"

/** Puts a member into the set for so many milliseconds, and forgets those whose time is over. */
const add = script(`${serverTime}
local member, millis = ARGV[1], tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now))
redis.call('ZADD', KEYS[1], string.format('%.0f', now + millis), member)
if redis.call('PTTL', KEYS[1]) < millis then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
`)

const drop = script(`return redis.call('ZREM', KEYS[1], ARGV[1])`)

const list = script(`return redis.call('ZRANGE', KEYS[1], 0, -1)`)

const count = script(`${serverTime}
return redis.call('ZCOUNT', KEYS[1], string.format('%.0f', now), '+inf')
`)

/** Among how many sets all sessions are counted. */
const countBuckets = 64

export class SessionIndex {
  constructor(
    private readonly commands: StoreCommands,
    /** Milliseconds for which a session that is gone can be asked for still. */
    private readonly tombstones: number
  ) {}

  private own(principal: string): string {
    return tagged(this.commands.prefix, "p", principal)
  }

  private bucket(number: number): string {
    return tagged(this.commands.prefix, "c", String(number))
  }

  /** Counts a session for so many milliseconds; as one of its principal's, until it cannot be brought back either. */
  adding(id: string, principal: string, millis: number): ReadonlyArray<Call> {
    const member = escape(id)
    return [
      { script: add, keys: [this.own(principal)], args: [member, millis + this.tombstones] },
      { script: add, keys: [this.bucket(slotOf(id) % countBuckets)], args: [member, millis] }
    ]
  }

  dropping(id: string, principal: string): ReadonlyArray<Call> {
    const args = [escape(id)]
    return [
      { script: drop, keys: [this.own(principal)], args },
      { script: drop, keys: [this.bucket(slotOf(id) % countBuckets)], args }
    ]
  }

  idsOf(principal: string): Effect.Effect<ReadonlyArray<string>, StoreUnavailable> {
    const listed = this.commands.run(list, [this.own(principal)])
    return Effect.map(listed, (members) => (members as ReadonlyArray<string>).map(unescape)) // ZRANGE
  }

  get size(): Effect.Effect<number, StoreUnavailable> {
    const buckets = Array.from({ length: countBuckets }, (_, i) => this.bucket(i))
    return Effect.map(
      Effect.forEach(buckets, (bucket) => this.commands.run(count, [bucket]), { concurrency: "unbounded" }),
      (counts) => counts.reduce<number>((sum, count) => sum + Number(count), 0)
    )
  }
}
