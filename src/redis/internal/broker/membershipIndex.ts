/**
 * The topics in which a session is a member, so that it can leave them all: each
 * with the topic in which that is told. It is written before a membership is,
 * and removed after it, so it may name too many and never too few.
 */
import * as Effect from "effect/Effect"
import type { BrokerUnavailable } from "../../../protocol/ConnectionError.js"
import { escape, tagged, unescape } from "../keys.js"
import { script } from "../script.js"
import { type StreamLog, unavailable } from "./streamLog.js"

export interface Entry {
  readonly topic: string
  readonly presence: string
  /** As it is written: another one each time. */
  readonly value: string
}

/** KEYS: the index of a session. ARGV: field, value, milliseconds that it is remembered. */
const note = script(`
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
`)

/** KEYS: the index of a session. */
const noted = script(`return redis.call('HGETALL', KEYS[1])`)

/**
 * KEYS: the index of a session. ARGV: milliseconds that it is remembered, or empty for as long as before; then fields
 * and their values, which are removed where they are still the same.
 */
const unnote = script(`
for i = 2, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then redis.call('HDEL', KEYS[1], ARGV[i]) end
end
if ARGV[1] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
`)

export class MembershipIndex {
  constructor(
    private readonly log: StreamLog,
    /** Milliseconds that an entry is remembered. */
    readonly ttl: number
  ) {}

  private keys(session: string): ReadonlyArray<string> {
    return [tagged(this.log.connection.prefix, "m", session)]
  }

  private run(...args: Parameters<StreamLog["connection"]["run"]>): Effect.Effect<unknown, BrokerUnavailable> {
    return Effect.mapError(this.log.connection.run(...args), unavailable)
  }

  note(session: string, topic: string, presence: string): Effect.Effect<void, BrokerUnavailable> {
    const value = `${this.log.name()}\n${escape(presence)}`
    return Effect.asVoid(this.run(note, this.keys(session), [escape(topic), value, this.ttl]))
  }

  /** Those of a session, or of one of its topics. */
  entries(session: string, topic: string | undefined): Effect.Effect<ReadonlyArray<Entry>, BrokerUnavailable> {
    return Effect.map(this.run(noted, this.keys(session), []), (answer) => {
      const flat = answer as ReadonlyArray<string> // field and value in turn
      const entries: Array<Entry> = []
      for (let i = 0; i + 1 < flat.length; i += 2) {
        const [field = "", value = ""] = [flat[i], flat[i + 1]]
        const entry = { topic: unescape(field), presence: unescape(value.slice(value.indexOf("\n") + 1)), value }
        if (topic === undefined || entry.topic === topic) entries.push(entry)
      }
      return entries
    })
  }

  /** Forgets entries that are the same still. */
  forget(session: string, entries: ReadonlyArray<Entry>): Effect.Effect<void, BrokerUnavailable> {
    if (entries.length === 0) return Effect.void
    const args = entries.flatMap(({ topic, value }) => [escape(topic), value])
    return Effect.asVoid(this.run(unnote, this.keys(session), ["", ...args]))
  }

  /** Forgets all of them after so many milliseconds. */
  shorten(session: string, millis: number): Effect.Effect<void, BrokerUnavailable> {
    return Effect.asVoid(this.run(unnote, this.keys(session), [millis]))
  }
}
