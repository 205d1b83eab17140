/** The bench that the laws of a Broker start from. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { BrokerUnavailable, KeyReused, TooManyKeys } from "../../../protocol/ConnectionError.js"
import type { Position, RecoveryReason } from "../../../protocol/Protocol.js"
import type { Broker, History, Listener, Publication, Retention } from "../../../topic/Broker.js"
import type { Bench, Statement } from "../bench.js"
import { type Breach, breach, expectSame } from "../expect.js"

export type Service = Context.Tag.Service<Broker>

type Publishing = Effect.Effect<ReadonlyArray<Position>, KeyReused | TooManyKeys | BrokerUnavailable>

/** JSON texts of the numbers `from` to `to`. */
export const numbers = (from: number, to: number): ReadonlyArray<string> =>
  Array.from({ length: to - from + 1 }, (_, i) => String(from + i))

/** Far from every bound but the ones that are given. */
export const keeping = (bounds: Partial<Retention>): Retention => ({
  messages: 10_000,
  bytes: 1_000_000_000,
  age: 1_000_000_000,
  ...bounds
})

/** A listener that remembers. */
export class Ears implements Listener {
  readonly heard: Array<Publication> = []
  readonly resets: Array<RecoveryReason> = []

  readonly published = (publication: Publication): void => void this.heard.push(publication)
  readonly reset = (_position: Position, reason: RecoveryReason): void => void this.resets.push(reason)

  get texts(): ReadonlyArray<string> {
    return this.heard.map(({ payload }) => payload)
  }
}

/** The payloads of a history, or why it was refused. */
export const textsOf = (history: History): ReadonlyArray<string> | RecoveryReason =>
  history._tag === "Complete" ? history.publications.map(({ payload }) => payload) : history.reason

export class BrokerBench {
  readonly one: Service
  readonly other: Service
  /** A topic that nobody else names. */
  readonly topic: string

  constructor(readonly bench: Bench<Service>) {
    this.one = bench.one
    this.other = bench.other
    this.topic = bench.name("topic")
  }

  name(text: string): string {
    return this.bench.name(text)
  }

  pass(units: number, millis?: number): Effect.Effect<void> {
    return this.bench.pass(units, millis)
  }

  /** So many units in milliseconds. */
  millis(units: number): number {
    return units * this.bench.unit
  }

  /** Publishes numbers one after the other, by the two nodes in turn. */
  fill(topic: string, from: number, to: number, retention?: Retention): Publishing {
    return Effect.forEach(numbers(from, to), (text, i) =>
      (i % 2 === 0 ? this.one : this.other).publish(topic, text, { retention })
    )
  }

  /** The log after `since`, as the second node tells it. */
  read(topic: string, since?: Position, limit = 10_000): Effect.Effect<History, BrokerUnavailable> {
    return this.other.history(topic, { since, limit })
  }

  /** That the log has these after `since`, or that they are refused for this reason. */
  expectLog(
    did: string,
    topic: string,
    since: Position | undefined,
    expected: ReadonlyArray<string> | RecoveryReason,
    limit?: number
  ): Effect.Effect<void, BrokerUnavailable | Breach> {
    return Effect.flatMap(this.read(topic, since, limit), (log) => expectSame(did, textsOf(log), expected))
  }

  /** That a listener has heard what the log has after a position, and the position, payload and time of each. */
  expectHeard(
    did: string,
    ears: Ears,
    topic: string,
    since: Position
  ): Effect.Effect<void, BrokerUnavailable | Breach> {
    return Effect.gen(this, function* () {
      const log = yield* this.read(topic, since)
      if (log._tag === "Refused") return yield* breach(`what the log has, ${did}`, "Complete", log)
      yield* this.heard(did, ears, log.publications.length)
      yield* expectSame(`resets, ${did}`, ears.resets, [])
      yield* expectSame(`what the listener heard, ${did}`, ears.heard, log.publications)
    })
  }

  /** Waits until a listener has heard so many. */
  heard(did: string, ears: Ears, count: number): Effect.Effect<void, Breach> {
    return this.bench.until(`whether a listener hears ${count} publications, ${did}`, () => ears.heard.length >= count)
  }
}

type Body = (bench: BrokerBench) => Effect.Effect<unknown, unknown, Scope.Scope>

export const law = (name: string, body: Body): Statement<Service> => ({
  name,
  body: (bench) => body(new BrokerBench(bench))
})

/** A law that only a clock which stands still can tell. */
export const exactLaw = (name: string, body: Body): Statement<Service> => ({
  ...law(`${name} (exact)`, body),
  isExact: true
})
