/** What a handler can say of a message: done, refused, to be tried again, or the end of its session. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Data, Duration, Effect, Fiber, Schedule, TestClock } from "effect"
import { type ConnectionError, Gateway, Messages, Outcome, Reconnect, type Session, SessionStore } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { clientOf, node, pass } from "../support/manyGateways.js"
import { greet, join, resumeOf } from "../support/peer.js"
import { collect, makeClient, settle, type TestClient, World, withRandom } from "../support/virtual.js"

class Full extends Data.TaggedError("Full")<{ readonly room: string }> {}
class Away extends Data.TaggedError("Away")<{ readonly since: number }> {}

type Failure = Full | Away

const oneSecond = Reconnect.exponential({ jitter: false })

/** 100, 200 and 400 ms, and no more. */
const threeTimes = Schedule.intersect(Schedule.exponential("100 millis"), Schedule.recurs(3))

const outcomeOf = (error: Failure): Outcome.Outcome<Failure> => {
  switch (error._tag) {
    case "Full":
      return Outcome.refuse("full", `${error.room} is full`)
    case "Away":
      return Outcome.retry(threeTimes, Outcome.refuse("away", "try again later"))
  }
}

/** A gateway whose handler notes when it is run with what, and does what `run` says. */
const handling = (
  run: (message: unknown, session: Session.Session<unknown>) => Effect.Effect<void, Failure>,
  onFailure: (error: Failure) => Outcome.Outcome<Failure> = outcomeOf
) =>
  Effect.gen(function* () {
    const runs: Array<readonly [at: number, message: unknown]> = []
    const closed: Array<Session.SessionEnd> = []
    const clock = yield* Effect.clock
    const gateway = yield* Gateway.make({
      messages: Messages.json,
      authenticate: Gateway.anonymous,
      onMessage: (message, session) =>
        Effect.suspend(() => {
          runs.push([clock.unsafeCurrentTimeMillis(), message])
          return run(message, session)
        }),
      onFailure,
      onClose: (_, end) => Effect.sync(() => void closed.push(end))
    })
    return { gateway, runs, closed }
  })

const fate = (client: TestClient, message: unknown) =>
  Effect.fork(
    Effect.match(client.deliver(message), {
      onFailure: (error: ConnectionError.MessageRefused | { readonly _tag: string }) => error,
      onSuccess: () => "processed" as const
    })
  )

const isDone = (fiber: Fiber.Fiber<unknown, unknown>) => Effect.map(Fiber.poll(fiber), (exit) => exit._tag === "Some")

const unacknowledged = (client: TestClient) => Effect.map(client.stats, (stats) => stats.unacknowledged.messages)

describe("A message that the handler refuses", () => {
  it.scoped("fails the client's deliver with the code and the reason, and the session goes on", () =>
    Effect.gen(function* () {
      const { closed, runs } = yield* handling((message) =>
        message === "no" ? Effect.fail(new Full({ room: "lobby" })) : Effect.void
      )
      const client = yield* makeClient()
      const events = yield* collect(client.events)
      yield* settle
      const fates = yield* Effect.forEach(["a", "no", "b"], (message) => fate(client, message))
      yield* settle
      const [a, no, b] = yield* Effect.forEach(fates, Fiber.join)
      assert.deepStrictEqual([a, b], ["processed", "processed"])
      assert.deepInclude(no, { _tag: "MessageRefused", code: "full", reason: "lobby is full" })
      assert.deepStrictEqual(
        runs.map(([, message]) => message),
        ["a", "no", "b"]
      )
      assert.deepStrictEqual(yield* events, [{ _tag: "Refused", code: "full", reason: "lobby is full", seq: 2 }])
      assert.deepStrictEqual(closed, [])
      assert.strictEqual(yield* unacknowledged(client), 0)
    }).pipe(Effect.provide(World))
  )

  it.scoped("is refused again to a client that has missed it", () =>
    Effect.gen(function* () {
      yield* handling(() => Effect.delay(Effect.fail(new Full({ room: "lobby" })), "2 seconds"))
      const { peer, welcome } = yield* join()
      yield* peer.say({ type: "data", seq: 1, ack: 0, body: "no" })
      yield* peer.leave
      yield* TestClock.adjust(2000)
      const { welcome: again } = yield* join(resumeOf(welcome))
      assert.deepInclude(again, { resumed: true, processed: 1 })
      assert.deepStrictEqual(again["refused"], [{ type: "error", code: "full", reason: "lobby is full", seq: 1 }])
    }).pipe(Effect.provide(World))
  )

  it.scoped("has a code of 64 bytes and a reason of one line and 200 bytes at most", () =>
    Effect.gen(function* () {
      yield* handling(
        () => Effect.fail(new Full({ room: "" })),
        () => Outcome.refuse("é".repeat(100), `two\nlines ${"é".repeat(1000)}`)
      )
      const { peer } = yield* join()
      yield* peer.say({ type: "data", seq: 1, ack: 0, body: "no" })
      const [error] = peer.said("error")
      assert.strictEqual(error?.["code"], "é".repeat(32))
      assert.match(String(error?.["reason"]), /^two lines é+…?$/)
      assert.isAtMost(Buffer.byteLength(String(error?.["reason"])), 200)
    }).pipe(Effect.provide(World))
  )
})

describe("A message that is tried again", () => {
  it.scoped("is run at exactly the schedule's times, what comes after it waits, and then it is refused", () =>
    Effect.gen(function* () {
      const { runs } = yield* handling((message) =>
        message === "stuck" ? Effect.fail(new Away({ since: 0 })) : Effect.void
      )
      const client = yield* makeClient()
      yield* settle
      const stuck = yield* fate(client, "stuck")
      const next = yield* fate(client, "next")
      yield* settle
      for (const [passed, count] of [
        [0, 1],
        [99, 1],
        [1, 2],
        [199, 2],
        [1, 3],
        [399, 3]
      ] as const) {
        yield* TestClock.adjust(passed)
        assert.lengthOf(runs, count)
        assert.strictEqual(yield* unacknowledged(client), 2)
        assert.isFalse(yield* isDone(stuck))
      }
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(
        runs.map(([at, message]) => `${at} ${message}`),
        ["0 stuck", "100 stuck", "300 stuck", "700 stuck", "700 next"]
      )
      assert.deepInclude(yield* Fiber.join(stuck), { _tag: "MessageRefused", code: "away" })
      assert.strictEqual(yield* Fiber.join(next), "processed")
    }).pipe(Effect.provide(World))
  )

  it.scoped("is processed once it succeeds, and the next one that fails has a schedule of its own", () =>
    Effect.gen(function* () {
      let failures = 0
      const { runs } = yield* handling(() =>
        Effect.suspend(() => (failures++ % 3 === 2 ? Effect.void : Effect.fail(new Away({ since: 0 }))))
      )
      const client = yield* makeClient()
      yield* settle
      const fates = yield* Effect.forEach(["a", "b"], (message) => fate(client, message))
      yield* TestClock.adjust(599)
      assert.isFalse(yield* isDone(fates[1] ?? assert.fail()))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* Effect.forEach(fates, Fiber.join), ["processed", "processed"])
      assert.deepStrictEqual(
        runs.map(([at, message]) => `${at} ${message}`),
        ["0 a", "100 a", "300 a", "300 b", "400 b", "600 b"]
      )
    }).pipe(Effect.provide(World))
  )

  it.scoped("ends after its schedule, though onFailure makes a new one each time", () =>
    Effect.gen(function* () {
      const { runs } = yield* handling(
        () => Effect.fail(new Away({ since: 0 })),
        () => Outcome.retry(Schedule.recurs(2), Outcome.refuse("away", "later"))
      )
      const client = yield* makeClient()
      yield* settle
      const stuck = yield* fate(client, "stuck")
      yield* settle
      assert.deepInclude(yield* Fiber.join(stuck), { _tag: "MessageRefused", code: "away" })
      assert.lengthOf(runs, 3)
    }).pipe(Effect.provide(World))
  )

  it.scoped("is refused as soon as it fails in another way", () =>
    Effect.gen(function* () {
      let run = 0
      const { runs } = yield* handling(() =>
        Effect.suspend(() => Effect.fail(run++ === 0 ? new Away({ since: 0 }) : new Full({ room: "lobby" })))
      )
      const client = yield* makeClient()
      yield* settle
      const stuck = yield* fate(client, "stuck")
      yield* TestClock.adjust(100)
      assert.deepInclude(yield* Fiber.join(stuck), { _tag: "MessageRefused", code: "full" })
      assert.lengthOf(runs, 2)
    }).pipe(Effect.provide(World))
  )

  it.scoped("goes on through a cut, and is not run twice for it", () =>
    Effect.gen(function* () {
      const network = yield* MemoryNetwork.MemoryNetwork
      let isAway = true
      const { runs } = yield* handling(
        () => Effect.suspend(() => (isAway ? Effect.fail(new Away({ since: 0 })) : Effect.void)),
        () => Outcome.retry(Schedule.spaced("3 seconds"), Outcome.end("never", { final: true }))
      )
      const client = yield* makeClient({ reconnect: oneSecond })
      yield* settle
      const stuck = yield* fate(client, "stuck")
      yield* settle
      yield* network.cut()
      yield* TestClock.adjust(2000)
      isAway = false
      assert.isFalse(yield* isDone(stuck))
      yield* TestClock.adjust(1000)
      assert.strictEqual(yield* Fiber.join(stuck), "processed")
      assert.deepStrictEqual(
        runs.map(([at]) => at),
        [0, 3000]
      )
    }).pipe(Effect.provide(World))
  )

  it.scoped("is given up with its session, of which the application hears at once", () =>
    Effect.gen(function* () {
      const { closed, gateway, runs } = yield* handling(
        () => Effect.fail(new Away({ since: 0 })),
        () => Outcome.retry(Schedule.spaced("1 second"), Outcome.end("never", { final: true }))
      )
      const client = yield* makeClient()
      yield* settle
      yield* client.send("stuck")
      yield* TestClock.adjust(1500)
      const [session] = yield* gateway.sessions
      yield* session?.end("enough") ?? Effect.void
      yield* settle
      assert.deepStrictEqual(closed, [{ _tag: "Ended", reason: "enough", final: true }])
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(runs, 2)
    }).pipe(Effect.provide(World))
  )

  it.scoped("holds up no drain: the gateway that the session comes to handles it", () =>
    Effect.gen(function* () {
      const store = yield* SessionStore.makeMemory()
      const ends: Array<readonly [at: number, end: string]> = []
      let runs = 0
      const failing: Partial<Gateway.GatewayOptions<unknown, unknown, Gateway.Principal, never, string>> = {
        onMessage: () =>
          Effect.zipRight(
            Effect.sync(() => void runs++),
            Effect.fail("away")
          ),
        onFailure: () => Outcome.retry(Schedule.spaced("1 hour"), Outcome.end("never", { final: true })),
        onClose: (_, { _tag }) => Effect.map(Clock.currentTimeMillis, (now) => void ends.push([now, _tag]))
      }
      const first = yield* node(store, failing as {})
      const second = yield* node(store)
      const { client, reach } = yield* clientOf(first)
      const stuck = yield* fate(client, "stuck")
      yield* pass(0)
      const begun = yield* Clock.currentTimeMillis
      yield* reach(second)
      yield* first.close
      assert.deepStrictEqual(ends, [[begun, "Shutdown"]])
      assert.deepStrictEqual(second.handled, ["stuck"])
      assert.strictEqual(yield* Fiber.join(stuck), "processed")
      assert.strictEqual(runs, 1)
    })
  )
})

describe("A session that a handler ends", () => {
  it.scoped("for good ends its client with it (4410)", () =>
    Effect.gen(function* () {
      yield* handling(
        () => Effect.fail(new Full({ room: "lobby" })),
        () => Outcome.end("lobby is over", { final: true })
      )
      const client = yield* makeClient()
      yield* client.send("no")
      const end = yield* client.ended
      assert.deepInclude(end, { _tag: "Stopped", verdict: { _tag: "Stop", why: "SessionEnded" } })
      assert.deepInclude(end._tag === "Stopped" ? end.end : {}, { code: 4410, reason: "lobby is over" })
    }).pipe(Effect.provide(World))
  )

  for (const [name, run, expected] of [
    ["by Outcome.end, not for good", () => Effect.fail(new Full({ room: "lobby" })), "Ended"],
    ["by a defect", () => Effect.die("a defect"), "HandlerFailed"],
    ["by interrupting itself", () => Effect.interrupt, "HandlerFailed"],
    [
      "by session.end, not for good",
      (_: unknown, session: Session.Session<unknown>) => session.end("enough", { final: false }),
      "Ended"
    ]
  ] as const) {
    it.scoped(`${name}: its client begins a new one, and is told why`, () =>
      Effect.gen(function* () {
        const network = yield* MemoryNetwork.MemoryNetwork
        const { closed, gateway, runs } = yield* handling(
          (message, session): Effect.Effect<void, Failure> => (message === "no" ? run(message, session) : Effect.void),
          () => Outcome.end("the lobby is over", { final: false })
        )
        const client = yield* makeClient({ reconnect: oneSecond })
        const events = yield* collect(client.events)
        yield* settle
        const poison = yield* fate(client, "no")
        yield* settle
        assert.strictEqual((yield* client.status)._tag, "Waiting")
        yield* client.send("later")
        yield* TestClock.adjust(1000)
        const status = yield* client.status
        const lost = { reason: "ended", outcomeUnknown: 1, carriedOver: 1 } as const
        assert.deepInclude(status, { _tag: "Ready", start: { _tag: "Reset", ...lost } })
        assert.deepStrictEqual(yield* events, [{ _tag: "SessionLost", ...lost }])
        assert.deepInclude(yield* Fiber.join(poison), { _tag: "OutcomeUnknown" })
        assert.deepStrictEqual(
          closed.map(({ _tag }) => _tag),
          [expected]
        )
        // What the session died of does not come again.
        assert.deepStrictEqual(
          runs.map(([, message]) => message),
          ["no", "later"]
        )
        assert.strictEqual((yield* gateway.stats).reset.ended, 1)
        // One that was away then is told the same.
        yield* TestClock.adjust(1000)
        yield* network.cut()
        const [session] = yield* gateway.sessions
        yield* session?.end("enough", { final: false }) ?? Effect.void
        yield* TestClock.adjust(2000)
        assert.deepInclude(yield* client.status, {
          _tag: "Ready",
          start: { _tag: "Reset", reason: "ended", outcomeUnknown: 0, carriedOver: 0 }
        })
      }).pipe(Effect.provide(World))
    )
  }

  it.scoped("by an onFailure that throws", () =>
    Effect.gen(function* () {
      const { closed } = yield* handling(
        () => Effect.fail(new Full({ room: "lobby" })),
        () => {
          throw new Error("a defect")
        }
      )
      const client = yield* makeClient()
      yield* settle
      yield* client.send("no")
      yield* settle
      assert.deepStrictEqual(
        closed.map(({ _tag }) => _tag),
        ["HandlerFailed"]
      )
    }).pipe(Effect.provide(World))
  )

  it.scoped("after its last try", () =>
    Effect.gen(function* () {
      const { closed } = yield* handling(
        () => Effect.fail(new Away({ since: 0 })),
        () => Outcome.retry(threeTimes, Outcome.end("the database is away", { final: false }))
      )
      const client = yield* makeClient({ reconnect: oneSecond })
      yield* settle
      yield* client.send("no")
      yield* TestClock.adjust(699)
      assert.deepStrictEqual(closed, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(closed, [{ _tag: "Ended", reason: "the database is away", final: false }])
      yield* TestClock.adjust(1000)
      assert.deepInclude(yield* client.status, { _tag: "Ready" })
    }).pipe(Effect.provide(World))
  )

  for (const [features, reason] of [
    [["ended"], "ended"],
    [[], "unknown"]
  ] as const) {
    it.scoped(`answers a client that knows the features ${JSON.stringify(features)} with the reason ${reason}`, () =>
      Effect.gen(function* () {
        yield* handling(() => Effect.die("a defect"))
        const { peer, welcome } = yield* join({ features })
        yield* peer.say({ type: "data", seq: 1, ack: 0, body: "no" })
        assert.deepStrictEqual(peer.closed(), { code: 4411, reason: "the server failed to handle a message" })
        const other = yield* greet({ features, ...resumeOf({ ...welcome, secret: "of somebody else" }) })
        assert.deepInclude(other.said("welcome")[0], { resumed: false, reason: "secret" })
        const again = yield* greet({ features, ...resumeOf(welcome) })
        assert.deepInclude(again.said("welcome")[0], { resumed: false, reason, processed: 0 })
      }).pipe(Effect.provide(World))
    )
  }

  it.scoped("time and again is dialled by its client no more often than its backoff allows", () =>
    Effect.gen(function* () {
      const { runs } = yield* handling(() => Effect.die("a defect"))
      const client = yield* makeClient({ reconnect: oneSecond })
      yield* settle
      // Each new session has a poison of its own.
      yield* Effect.forkScoped(
        Effect.forever(Effect.zipRight(client.ready, Effect.zipRight(client.send("no"), settle)))
      )
      yield* TestClock.adjust(Duration.seconds(31))
      assert.deepStrictEqual(
        runs.map(([at]) => at),
        [0, 1000, 3000, 7000, 15_000, 31_000]
      )
    }).pipe(withRandom(0.5), Effect.provide(World))
  )
})
