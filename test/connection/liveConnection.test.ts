/** What becomes of a connection when something of its own dies. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Logger, TestClock } from "effect"
import { MemoryTransport } from "holdfast/testing"
import * as liveConnection from "../../src/connection/liveConnection.js"
import { settle } from "../support/virtual.js"

const options = { writeDeadline: 1000, closeTimeout: 1000, highWaterMark: 1000 }

const nobody = { message: () => {}, drained: () => {}, ended: () => {} }

/** An open connection, and the causes that were logged. */
const opened = (link = MemoryTransport.link()) =>
  Effect.gen(function* () {
    const logged: Array<string> = []
    const listening = Logger.make(({ cause }) => void logged.push(Cause.pretty(cause)))
    const live = yield* liveConnection
      .make(link.client, options)
      .pipe(Effect.provide(Logger.replace(Logger.defaultLogger, Logger.none)), Effect.provide(Logger.add(listening)))
    live.open(nobody)
    yield* Effect.addFinalizer(() => Effect.sync(() => link.cut()))
    return { live, logged }
  })

const failed = { _tag: "ClosedLocally", code: 1011, reason: "a supervised fiber died" } as const

describe("A connection", () => {
  for (const [how, effect, defects] of [
    ["dies", Effect.die("a defect"), ["a defect"]],
    [
      "dies, and its finalizer, too,",
      Effect.ensuring(Effect.die("a defect"), Effect.die("another")),
      ["a defect", "another"]
    ],
    [
      "dies in two places at once",
      Effect.all([Effect.die("a defect"), Effect.die("another")], { concurrency: 2, discard: true }),
      ["a defect", "another"]
    ]
  ] as const) {
    it.scoped(`of which a fiber ${how} ends with 1011, and the defects are logged`, () =>
      Effect.gen(function* () {
        const { live, logged } = yield* opened()
        live.supervise(effect)
        yield* settle
        assert.deepInclude(live.end, failed)
        assert.lengthOf(logged, 1)
        for (const defect of defects) assert.include(logged[0], defect)
      })
    )
  }

  it.scoped("whose heartbeat throws ends with 1011, and the defect is logged", () =>
    Effect.gen(function* () {
      const link = MemoryTransport.link()
      const { live, logged } = yield* opened(link)
      live.messagePing = () => {
        throw new Error("a defect")
      }
      live.keepAlive({ heartbeatInterval: 1000, readDeadline: 5000 }, 1)
      yield* TestClock.adjust(1000)
      assert.deepInclude(live.end, failed)
      assert.lengthOf(logged, 1)
      assert.include(logged[0], "a defect")
    })
  )

  it.scoped("of which a fiber is interrupted by the end keeps its reason, and nothing is logged", () =>
    Effect.gen(function* () {
      const { live, logged } = yield* opened()
      live.supervise(Effect.never)
      yield* settle
      live.close(1000, "done")
      yield* settle
      assert.deepInclude(live.end, { _tag: "ClosedLocally", code: 1000, reason: "done" })
      assert.deepStrictEqual(logged, [])
    })
  )
})
