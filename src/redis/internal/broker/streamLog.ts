/** The logs in Redis: publishing, and reading. */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import { monotonicNow } from "../../../connection/clocks.js"
import { BrokerUnavailable, KeyReused, type TooManyKeys } from "../../../protocol/ConnectionError.js"
import type { Position, RecoveryReason } from "../../../protocol/Protocol.js"
import type { History, PublishOptions, Retention } from "../../../topic/Broker.js"
import { defaultRetention } from "../../../topic/Broker.js"
import type { Service as Connection } from "../../RedisConnection.js"
import { escape } from "../keys.js"
import type { Argument, Script } from "../script.js"
import { topicKeys } from "./logLua.js"
import * as logScripts from "./logScripts.js"

export interface Terms {
  /** Of this broker: part of the epochs and ids that it makes. */
  readonly instance: string
  /** Milliseconds. */
  readonly keyWindow: number
  /** Milliseconds. */
  readonly topicTtl: number
}

/** A log as it was read: `at` is the time of its last publication, `members` how many memberships are told in it. */
export interface Reading {
  readonly history: History
  readonly at: number
  readonly members: number
}

interface Attempt {
  readonly id: string
  readonly since: number
}

/** Clocks of this machine and of Redis go on at about the same speed. */
const slack = 10_000

/** As Lua can count, and as a number of milliseconds can be. */
const whole = (n: number): number => Math.min(Math.max(0, Math.floor(n)), 2 ** 52)

/** 128 bits that tell one payload from another, without keeping it. */
const fingerprint = (payload: string): string => createHash("sha256").update(payload).digest("base64url").slice(0, 22)

export const unavailable = (cause: unknown): BrokerUnavailable => new BrokerUnavailable({ cause })

export class StreamLog {
  private made = 0

  constructor(
    readonly connection: Connection,
    private readonly terms: Terms
  ) {}

  /** Nobody else's. */
  name(): string {
    return `${this.terms.instance}.${++this.made}`
  }

  /** Runs a script of a topic. */
  run(
    script: Script,
    keys: ReadonlyArray<string>,
    args: ReadonlyArray<Argument>,
    retention: Retention = defaultRetention
  ): Effect.Effect<unknown, BrokerUnavailable> {
    const { age, bytes, messages } = retention
    const common = [this.name(), this.terms.topicTtl, whole(messages), whole(bytes), whole(age)]
    return Effect.mapError(this.connection.run(script, keys, [...common, ...args]), unavailable)
  }

  /**
   * Publishes once each time that it is run and succeeds. A run that failed or was interrupted may have published: the
   * next one looks for that before it does so.
   */
  publish(
    topic: string,
    payload: string,
    { ifNew, key, retention }: PublishOptions
  ): Effect.Effect<Position, KeyReused | TooManyKeys | BrokerUnavailable> {
    const unanswered: Array<Attempt> = []
    const { channel, log } = topicKeys(this.connection.prefix, topic)
    const keys = key === undefined ? log : [...log, `${channel}:k:${escape(key)}`]
    const publishing = (now: number) => {
      const before = unanswered.pop()
      const attempt = before ?? { id: this.name(), since: now }
      const asked = before === undefined ? "" : now - before.since + slack
      const about =
        key === undefined ? [] : [fingerprint(payload), this.terms.keyWindow, ifNew === undefined ? "" : "new"]
      const args = [payload, payload.length, attempt.id, asked, ...about]
      return Effect.onError(this.run(logScripts.publish, keys, args, retention), () =>
        Effect.sync(() => void unanswered.push(attempt))
      )
    }
    type Failure = KeyReused | TooManyKeys
    return Effect.flatMap(Effect.flatMap(monotonicNow, publishing), (answer): Effect.Effect<Position, Failure> => {
      const text = String(answer)
      if (text === "new" && ifNew !== undefined) return Effect.fail(ifNew)
      if (text === "reused") return Effect.fail(new KeyReused({ topic, key: key ?? "" }))
      const space = text.indexOf(" ")
      return Effect.succeed({ epoch: text.slice(space + 1), offset: Number(text.slice(0, space)) })
    })
  }

  /** With `at`, refused as `ahead` where the publication at `since` is of another time: its offset was given away once more. */
  read(
    topic: string,
    since: Position | undefined,
    limit: number,
    at?: number
  ): Effect.Effect<Reading, BrokerUnavailable> {
    const position = since === undefined ? ["", "", 0] : ["since", since.epoch, since.offset]
    const { all } = topicKeys(this.connection.prefix, topic)
    return Effect.map(this.run(logScripts.history, all, [...position, whole(limit), at ?? ""]), (answer) =>
      // What the script answers.
      reading(answer as Answer)
    )
  }

  /** The log's end, which begins with this if there was none. */
  end(topic: string): Effect.Effect<Reading, BrokerUnavailable> {
    return this.read(topic, undefined, 0)
  }
}

type Answer = readonly [
  refused: RecoveryReason | "",
  epoch: string,
  offset: string,
  at: string,
  members: number,
  publications: ReadonlyArray<string>
]

const reading = ([refused, epoch, offset, at, members, [first, ...flat]]: Answer): Reading => {
  const end: Position = { epoch, offset: Number(offset) }
  const rest = { at: Number(at), members }
  if (refused !== "") return { history: { _tag: "Refused", reason: refused, end }, ...rest }
  const publications = Array.from({ length: flat.length / 2 }, (_, i) => ({
    position: { epoch, offset: Number(first) + i },
    payload: flat[2 * i + 1] ?? "",
    at: Number(flat[2 * i])
  }))
  return { history: { _tag: "Complete", publications, end }, ...rest }
}
