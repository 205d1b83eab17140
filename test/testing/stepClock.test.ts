/** A machine whose system clock is set: nothing happens at another time for it. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Stream } from "effect"
import { Broker, Client, Gateway, Messages, SessionStore, Topic, TopicRule } from "holdfast"
import { FaultPlan } from "holdfast/testing"
import { withRandom } from "../support/virtual.js"
import { Network, now, virtually } from "./support.js"

const feed = Topic.make("feed", Messages.json.server)

type Step = { readonly machine: "laptop" | "server"; readonly by: number } | undefined

/** A life with everything in it that takes a time; what happens in it, and when. */
const life = (step: Step) =>
  virtually(
    Effect.gen(function* () {
      const network = yield* Network
      const outside = yield* Effect.clock
      const seen: Array<readonly [at: number, what: string]> = []
      const note = (what: string) => Effect.sync(() => void seen.push([outside.unsafeCurrentTimeMillis(), what]))

      const server = Effect.gen(function* () {
        const broker = yield* Broker.Broker
        yield* Gateway.make({
          messages: Messages.json,
          refreshBefore: "10 seconds",
          resumeWindow: "2 minutes",
          authenticate: () => Effect.map(Clock.currentTimeMillis, (wall) => ({ id: "ann", expiresAt: wall + 100_000 })),
          topics: [
            TopicRule.make(feed, { publish: Effect.succeed, subscribe: Effect.succeed, history: { age: "40 seconds" } })
          ],
          onMessage: (message) => note(`handled ${message}`),
          onClose: (_, end) => note(`closed: ${end._tag}`)
        })
        yield* Effect.fork(
          Effect.forever(
            Effect.zipRight(
              Effect.sleep("10 seconds"),
              Effect.flatMap(broker.history("feed", { limit: 100 }), (log) =>
                note(`history: ${log._tag === "Complete" ? log.publications.length : log.reason}`)
              )
            )
          )
        )
        return yield* Effect.never
      }).pipe(
        Effect.scoped,
        Effect.provideServiceEffect(Broker.Broker, Broker.makeMemory()),
        Effect.provideServiceEffect(SessionStore.SessionStore, SessionStore.makeMemory())
      )
      yield* network.run("server", Effect.orDie(server))

      const laptop = Effect.gen(function* () {
        const client = yield* Client.make({
          url: "memory:",
          messages: Messages.json,
          token: Effect.as(note("asked for a token"), "t")
        })
        yield* Effect.fork(Stream.runForEach(client.changes, (status) => note(`status: ${status._tag}`)))
        yield* Effect.fork(
          Stream.runForEach(Stream.range(1, 30), (i) =>
            Effect.zipRight(Effect.sleep("7 seconds"), Effect.orDie(client.send(i)))
          )
        )
        yield* client.publish(feed.at({}), "one", { key: "k" })
        // Once the clock was set.
        yield* Effect.delay(client.publish(feed.at({}), "two", { key: "l" }), "16 seconds")
        return yield* Effect.never
      }).pipe(Effect.scoped)
      yield* network.run("laptop", Effect.orDie(laptop))

      yield* Effect.sleep("15 seconds")
      if (step !== undefined) {
        const by = Duration.millis(Math.abs(step.by))
        yield* network.stepClock(step.by < 0 ? { back: by } : { forward: by }, step.machine)
      }
      // Away for a while, and several attempts.
      yield* Effect.sleep("5 seconds")
      yield* network.reach({ _tag: "Refused" }, "server")
      yield* network.cut("laptop", "server")
      yield* Effect.sleep("40 seconds")
      yield* network.reach({ _tag: "Open" }, "server")
      yield* Effect.sleep("1 minute")
      // Nothing arrives any more, in either direction: each end has to find that.
      yield* network.partition("laptop", "server")
      yield* Effect.sleep("4 minutes")
      yield* network.rejoin("laptop", "server")
      yield* Effect.sleep("3 minutes")
      return seen
      // A machine that notices has its peers answer, after a time that it draws.
    }).pipe(withRandom(0.5))
  )

describe("A machine whose clock is set", () => {
  const machines = ["laptop", "server"] as const
  const steps = [-86_400_000, -3_600_000, -10_000, -1, 1, 10_000, 3_600_000, 86_400_000]

  it.effect("does everything when it would have done it: deadlines, attempts, expiries, what is kept", () =>
    Effect.gen(function* () {
      const plain = yield* life(undefined)
      const tags = new Set(plain.map(([, what]) => what))
      for (const what of ["status: Waiting", "asked for a token", "closed: Expired", "history: 2", "history: 0"]) {
        assert.isTrue(tags.has(what), what)
      }
      for (const machine of machines) {
        for (const by of steps) assert.deepStrictEqual(yield* life({ machine, by }), plain, `${machine} by ${by} ms`)
      }
    })
  )

  it.effect("shows its own wall time", () =>
    virtually(
      Effect.gen(function* () {
        const network = yield* Network
        yield* network.run("laptop", Effect.never)
        const here = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, network.on("laptop"))
        yield* Effect.sleep(1000)
        yield* network.stepClock({ forward: "1 hour" }, "laptop")
        assert.strictEqual(yield* here(now), 3_601_000)
        assert.strictEqual(yield* now, 1000)
        yield* network.stepClock({ back: "2 hours" }, "laptop")
        assert.strictEqual(yield* here(now), 1000 - 3_600_000)
        assert.strictEqual(yield* here(Clock.currentTimeNanos), 1_000_000_000n)
      })
    )
  )

  it.effect("is a fault of a plan", () =>
    virtually(
      Effect.gen(function* () {
        const network = yield* Network
        yield* network.run("laptop", Effect.never)
        const here = Effect.provide(now, network.on("laptop"))
        yield* FaultPlan.play([{ at: 100, fault: { _tag: "StepClock", machine: "laptop", by: -5000 } }])
        assert.strictEqual(yield* here, 100 - 5000)
        yield* FaultPlan.play([{ at: 0, fault: { _tag: "StepClock", machine: "laptop", by: 7000 } }])
        assert.strictEqual(yield* here, 100 + 2000)
      })
    )
  )
})
