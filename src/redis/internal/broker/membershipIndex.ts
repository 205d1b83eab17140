/**
 * In which topics a session is a member, so that it can leave them all: each
 * with the topic in which that is told. It is written before a membership is,
 * and removed after it, so it may name too many and never too few.
 */
import * as Effect from "effect/Effect"
import type { BrokerUnavailable } from "../../../protocol/ConnectionError.js"
import { escape, tagged, unescape } from "../keys.js"
import * as scripts from "./memberScripts.js"
import { type RedisLog, unavailable } from "./streamLog.js"

export interface Entry {
  readonly topic: string
  readonly presence: string
  /** As it is written: another one each time. */
  readonly value: string
}

export class SessionIndex {
  constructor(
    private readonly log: RedisLog,
    /** Milliseconds that an entry is remembered. */
    readonly ttl: number
  ) {}

  private keys(session: string): ReadonlyArray<string> {
    return [tagged(this.log.connection.prefix, "m", session)]
  }

  private run(...args: Parameters<RedisLog["connection"]["run"]>): Effect.Effect<unknown, BrokerUnavailable> {
    return Effect.mapError(this.log.connection.run(...args), unavailable)
  }

  note(session: string, topic: string, presence: string): Effect.Effect<void, BrokerUnavailable> {
    const value = `${this.log.name()}\n${escape(presence)}`
    return Effect.asVoid(this.run(scripts.note, this.keys(session), [escape(topic), value, this.ttl]))
  }

  /** Those of a session, or of one of its topics. */
  entries(session: string, topic: string | undefined): Effect.Effect<ReadonlyArray<Entry>, BrokerUnavailable> {
    return Effect.map(this.run(scripts.noted, this.keys(session), []), (answer) => {
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
    return Effect.asVoid(this.run(scripts.unnote, this.keys(session), ["", ...args]))
  }

  /** Forgets all of them after so many milliseconds. */
  shorten(session: string, millis: number): Effect.Effect<void, BrokerUnavailable> {
    return Effect.asVoid(this.run(scripts.unnote, this.keys(session), [millis]))
  }
}
