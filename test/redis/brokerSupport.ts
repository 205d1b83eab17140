/** Brokers on a Redis for tests of what goes wrong: each a gateway's, whose connection can be broken. */
import { type Context, Effect, Schedule, type Scope } from "effect"
import { type Broker, Reconnect } from "holdfast"
import { RedisBroker, RedisConnection } from "holdfast/redis"
import type { BrokerUnavailable, InvalidOption } from "../../src/protocol/ConnectionError.js"
import { Ears } from "../../src/testing/internal/brokerLaws/brokerBench.js"
import { eventually } from "../support/patience.js"

export { Ears }

export type Service = Context.Tag.Service<Broker.Broker>

export interface Node {
  readonly broker: Service
  /** How many answers are lost from now on: what was asked is done, and its asker is told that it failed. */
  loseAnswers: number
  /** Whether it can still ask Redis anything: a gateway that has died cannot. */
  isDead: boolean
  /** How many scripts it has run. */
  runs: number
}

const quickly = Reconnect.exponential({ base: "20 millis", max: "50 millis" })

export const node = (url: string, options: RedisBroker.Options = {}): Effect.Effect<Node, InvalidOption, Scope.Scope> =>
  Effect.gen(function* () {
    const connection = yield* RedisConnection.make({ url, reconnect: quickly, timeout: "10 seconds" })
    yield* Effect.orDie(Effect.retry(connection.ready, Schedule.spaced("5 millis")))
    const run: typeof connection.run = (...args) =>
      Effect.suspend(() => {
        if (state.isDead) return Effect.fail(new Error("dead"))
        state.runs++
        return Effect.flatMap(connection.run(...args), (answer) =>
          state.loseAnswers > 0 && state.loseAnswers-- > 0 ? Effect.fail(new Error("lost")) : Effect.succeed(answer)
        )
      })
    const broker = yield* Effect.provideService(RedisBroker.make(options), RedisConnection.RedisConnection, {
      ...connection,
      run
    })
    const state: Node = { broker, loseAnswers: 0, isDead: false, runs: 0 }
    return state
  })

/** As gateways ask: again for as long as it fails, the same effect. */
export const patiently = <A, E, R>(effect: Effect.Effect<A, E | BrokerUnavailable, R>) =>
  Effect.retry(effect, Schedule.spaced("20 millis"))

/** Waits until it holds. */
export const until = (what: string, holds: () => boolean) => eventually(what, Effect.sync(holds))

/** What was told of members: `+ann` has come, `-ann` has gone. */
export const told = (ears: Ears): ReadonlyArray<string> =>
  ears.texts.map((text) => {
    const { _tag, member }: { readonly _tag: string; readonly member: { readonly principal: string } } =
      JSON.parse(text)
    return `${_tag === "Joined" ? "+" : "-"}${member.principal}`
  })
