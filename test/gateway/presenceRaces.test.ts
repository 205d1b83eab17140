/** A broker that takes its time, or fails: what is asked of it meanwhile must not make a ghost of anybody, nor of anybody none. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { annAndWatcher, crowd, lobby, twoGateways, window } from "../support/crowd.js"
import { isRunning, settle } from "../support/virtual.js"

/** A watcher, and ann, whose first join is held up on its way to the broker, or its answer on the way back. */
const joining = (at: "to" | "from", options?: Parameters<typeof crowd>[0]) =>
  Effect.gen(function* () {
    const made = yield* crowd(options)
    const watcher = yield* made.person("watcher")
    const { seen } = yield* watcher.watch()
    const ann = yield* made.person("ann")
    yield* made.wire.hold("join")
    const reading = yield* ann.read()
    assert.deepStrictEqual(yield* made.wire.waiting, ["join"])
    const call = yield* made.wire.next
    if (at === "from") yield* call.arrive
    return { ...made, ann, reading, call, changes: () => seen.slice(1) }
  })

type Joining = Effect.Effect.Success<ReturnType<typeof joining>>

for (const at of ["to", "from"] as const) {
  const where = at === "to" ? "on its way to the broker" : "answered, and the answer on its way"

  describe(`While a join is ${where}`, () => {
    it.scoped("the connection breaks: the session is a member, told once, when it comes back", () =>
      Effect.gen(function* () {
        const { ann, call, changes, gateway, members, reading, wire } = yield* joining(at)
        yield* ann.goAway
        yield* call.answer
        yield* wire.letGo
        assert.deepStrictEqual(yield* members(), ["ann"])
        yield* ann.comeBack()
        yield* gateway.publish(lobby, 1)
        yield* settle
        assert.deepStrictEqual(reading.seen, [1])
        assert.deepStrictEqual(changes(), ["Joined ann"])
      })
    )

    it.scoped("the connection breaks and comes back: the session is a member, told once", () =>
      Effect.gen(function* () {
        const { ann, call, changes, gateway, members, reading, wire } = yield* joining(at)
        yield* ann.goAway
        yield* ann.comeBack()
        yield* call.answer
        yield* wire.letGo
        yield* gateway.publish(lobby, 1)
        yield* settle
        assert.deepStrictEqual(reading.seen, [1])
        assert.deepStrictEqual(changes(), ["Joined ann"])
        assert.deepStrictEqual(yield* members(), ["ann"])
      })
    )

    it.scoped("the client gives up the subscription while it is away: it is no member after its return", () =>
      Effect.gen(function* () {
        const { ann, call, changes, members, reading, wire } = yield* joining(at)
        yield* ann.goAway
        yield* reading.stop
        yield* call.answer
        yield* wire.letGo
        yield* ann.comeBack()
        assert.deepStrictEqual(changes(), ["Joined ann", "Left ann"])
        assert.deepStrictEqual(yield* members(), [])
      })
    )

    const ends: Record<string, (made: Joining) => Effect.Effect<unknown, unknown>> = {
      "the client gives up the subscription": ({ reading }) => reading.stop,
      "the client says bye": ({ ann }) => Effect.fork(ann.client.close),
      "the server ends the session": ({ sessionOf }) =>
        Effect.flatMap(sessionOf("ann"), (session) => session.end("enough")),
      "the server ends the subscription": ({ sessionOf }) =>
        Effect.flatMap(sessionOf("ann"), (session) => Effect.fork(session.unsubscribe(lobby, "enough"))),
      "the handler fails": ({ ann }) => ann.client.send("fail"),
      "the principal is disconnected": ({ gateway }) => Effect.fork(gateway.disconnect({ principal: "ann" })),
      "the resume window passes": ({ ann }) => Effect.zipRight(ann.goAway, TestClock.adjust(window + 1))
    }
    for (const [name, end] of Object.entries(ends)) {
      it.scoped(`${name}: it is no member, and whoever was told that it joined is told that it left`, () =>
        Effect.gen(function* () {
          const made = yield* joining(at)
          yield* end(made)
          yield* settle
          yield* made.call.answer
          yield* made.wire.letGo
          assert.deepStrictEqual(yield* made.members(), [])
          assert.deepStrictEqual(made.changes(), ["Joined ann", "Left ann"])
          yield* TestClock.adjust(2 * window)
          assert.deepStrictEqual(yield* made.members(), [])
          assert.deepStrictEqual(made.changes(), ["Joined ann", "Left ann"])
        })
      )
    }

    it.scoped("the server ends the subscription: the client's stream fails with its reason", () =>
      Effect.gen(function* () {
        const { call, reading, sessionOf, wire } = yield* joining(at)
        yield* Effect.fork((yield* sessionOf("ann")).unsubscribe(lobby, "enough"))
        yield* settle
        yield* call.answer
        yield* wire.letGo
        assert.include(yield* reading.failure, "enough")
      })
    )

    it.scoped("the session moves to another gateway and joins there: it stays", () =>
      Effect.gen(function* () {
        const { ann, call, changes, expire, nodes, wire } = yield* joining(at, { gateways: 2 })
        const [, b] = nodes
        if (b === undefined) return assert.fail("two gateways")
        yield* ann.goAway
        yield* wire.letGo
        yield* ann.comeBack(b)
        yield* call.answer
        yield* TestClock.adjust(2 * window)
        yield* expire
        assert.deepStrictEqual(changes(), ["Joined ann"])
        assert.deepStrictEqual(yield* b.members(), ["ann"])
      })
    )

    it.scoped("the gateway shuts down: a session that nobody resumes is no member after its window", () =>
      Effect.gen(function* () {
        const { ann, call, close, expire, memory } = yield* joining(at)
        yield* ann.goAway
        const closing = yield* Effect.fork(close)
        yield* settle
        yield* call.answer
        yield* TestClock.adjust("10 seconds")
        assert.isFalse(yield* isRunning(closing))
        yield* TestClock.adjust(window)
        yield* expire
        assert.deepStrictEqual((yield* memory.members(lobby.name, `${lobby.name}#presence`)).members, [])
      })
    )
  })

  describe(`While a leave is ${where}`, () => {
    const leaving = Effect.gen(function* () {
      const made = yield* annAndWatcher()
      yield* made.wire.hold("leave")
      return made
    })

    for (const [name, leave] of Object.entries({
      "of the client's": ({ reading }: Effect.Effect.Success<typeof leaving>) => reading.stop,
      "of the server's": ({ sessionOf }: Effect.Effect.Success<typeof leaving>) =>
        Effect.flatMap(sessionOf("ann"), (session) => Effect.fork(session.unsubscribe(lobby)))
    })) {
      it.scoped(`${name}, the client subscribes again: it is a member`, () =>
        Effect.gen(function* () {
          const made = yield* leaving
          const { ann, changes, members, wire } = made
          yield* leave(made)
          yield* settle
          const call = yield* wire.next
          if (at === "from") yield* call.arrive
          yield* ann.read()
          yield* call.answer
          yield* wire.letGo
          assert.deepStrictEqual(yield* members(), ["ann"])
          assert.deepStrictEqual(changes(), ["Left ann", "Joined ann"])
        })
      )
    }

    it.scoped("at the shutdown of a gateway, the session is resumed by another one: it stays", () =>
      Effect.gen(function* () {
        const { a, ann, b, changes, expire, wire } = yield* twoGateways()
        yield* wire.hold("leave")
        const closing = yield* Effect.fork(a.close)
        yield* settle
        const call = yield* wire.next
        if (at === "from") yield* call.arrive
        yield* ann.comeBack(b)
        assert.deepInclude(yield* ann.client.status, { _tag: "Ready", start: { _tag: "Resumed" } })
        yield* call.answer
        yield* wire.letGo
        yield* TestClock.adjust(2 * window)
        yield* Fiber.join(closing)
        yield* expire
        assert.deepStrictEqual(changes(), [])
        assert.deepStrictEqual(yield* b.members(), ["ann"])
      })
    )
  })

  describe(`While the question who is there is ${where}`, () => {
    it.scoped("somebody joins: the watcher hears of it once", () =>
      Effect.gen(function* () {
        const { person, wire } = yield* crowd()
        const [watcher, ann] = [yield* person("watcher"), yield* person("ann")]
        yield* wire.hold("members")
        const { seen } = yield* watcher.watch()
        const call = yield* wire.next
        if (at === "from") yield* call.arrive
        yield* ann.read()
        yield* call.answer
        yield* settle
        assert.deepStrictEqual(seen, at === "to" ? ["Members ann"] : ["Members", "Joined ann"])
      })
    )

    it.scoped("the watcher's connection breaks: it asks again", () =>
      Effect.gen(function* () {
        const { person, wire } = yield* crowd()
        const [watcher, ann] = [yield* person("watcher"), yield* person("ann")]
        yield* wire.hold("members")
        const { seen } = yield* watcher.watch()
        const call = yield* wire.next
        if (at === "from") yield* call.arrive
        yield* watcher.goAway
        yield* ann.read()
        yield* watcher.comeBack()
        yield* call.answer
        yield* wire.letGo
        assert.deepStrictEqual(seen, ["Members ann"])
      })
    )
  })
}

describe("A member that subscribes again on a new connection", () => {
  for (const at of ["to", "from"] as const) {
    it.scoped(
      `and whose subscription the server ends then is none any more (its join ${at} the broker is held up)`,
      () =>
        Effect.gen(function* () {
          const { ann, changes, members, reading, sessionOf, wire } = yield* annAndWatcher()
          yield* ann.goAway
          yield* wire.hold("join")
          yield* ann.comeBack()
          const call = yield* wire.next
          if (at === "from") yield* call.arrive
          yield* Effect.fork((yield* sessionOf("ann")).unsubscribe(lobby, "enough"))
          yield* settle
          yield* call.answer
          yield* wire.letGo
          assert.include(yield* reading.failure, "enough")
          assert.deepStrictEqual(yield* members(), [])
          assert.deepStrictEqual(changes(), ["Left ann"])
          assert.deepStrictEqual((yield* (yield* sessionOf("ann")).info).subscriptions, [])
        })
    )
  }
})

describe("While the broker is unavailable", () => {
  it.scoped("nobody joins; whoever asked is a member when it is back, at the retry's time", () =>
    Effect.gen(function* () {
      const { members, person, wire } = yield* crowd()
      const watcher = yield* person("watcher")
      const { seen } = yield* watcher.watch()
      const ann = yield* person("ann")
      yield* wire.down(true)
      yield* ann.read()
      // Tried at 0, 100, 300 and 700 ms.
      yield* TestClock.adjust(650)
      yield* wire.down(false)
      yield* TestClock.adjust(49)
      assert.deepStrictEqual(seen, ["Members"])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(seen, ["Members", "Joined ann"])
      assert.deepStrictEqual(yield* members(), ["ann"])
    })
  )

  it.scoped("a session that ends does not join when it is back", () =>
    Effect.gen(function* () {
      const { members, person, sessionOf, wire } = yield* crowd()
      const watcher = yield* person("watcher")
      const { seen } = yield* watcher.watch()
      const ann = yield* person("ann")
      yield* wire.down(true)
      yield* ann.read()
      yield* TestClock.adjust(650)
      yield* (yield* sessionOf("ann")).end("enough")
      yield* wire.down(false)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(seen, ["Members"])
      assert.deepStrictEqual(yield* members(), [])
    })
  )

  for (const millis of [1000, 60_000]) {
    it.scoped(
      `for ${millis} ms, a session that ends leaves when it is back, and its onClose does not wait for that`,
      () =>
        Effect.gen(function* () {
          const { changes, closed, members, sessionOf, wire } = yield* annAndWatcher()
          yield* wire.down(true)
          yield* (yield* sessionOf("ann")).end("enough")
          yield* settle
          assert.deepStrictEqual(closed, ["ann Ended"])
          yield* TestClock.adjust(millis)
          assert.deepStrictEqual(changes(), [])
          yield* wire.down(false)
          yield* TestClock.adjust("5 seconds")
          assert.deepStrictEqual(changes(), ["Left ann"])
          assert.deepStrictEqual(yield* members(), [])
        })
    )
  }

  it.scoped("a client that unsubscribes leaves when it is back", () =>
    Effect.gen(function* () {
      const { changes, members, reading, wire } = yield* annAndWatcher()
      yield* wire.down(true)
      yield* reading.stop
      yield* TestClock.adjust("1 minute")
      yield* wire.down(false)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(changes(), ["Left ann"])
      assert.deepStrictEqual(yield* members(), [])
    })
  )

  it.scoped("members stay members, through their reconnects", () =>
    Effect.gen(function* () {
      const { ann, changes, members, wire } = yield* annAndWatcher()
      yield* wire.down(true)
      yield* ann.goAway
      yield* ann.comeBack()
      yield* TestClock.adjust("1 minute")
      yield* wire.down(false)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(changes(), [])
      assert.deepStrictEqual(yield* members(), ["ann"])
    })
  )

  it.scoped("a watcher waits, and is told who is there when it is back", () =>
    Effect.gen(function* () {
      const { person, wire } = yield* crowd()
      const [ann, watcher] = [yield* person("ann"), yield* person("watcher")]
      yield* ann.read()
      yield* wire.down(true)
      const { seen } = yield* watcher.watch()
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(seen, [])
      yield* wire.down(false)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(seen, ["Members ann"])
    })
  )

  it.scoped("a gateway that shuts down does not wait for it longer than closeTimeout", () =>
    Effect.gen(function* () {
      const { a, ann, wire } = yield* twoGateways()
      yield* ann.goAway
      yield* wire.down(true)
      const closing = yield* Effect.fork(a.close)
      yield* TestClock.adjust(4999)
      assert.isTrue(yield* isRunning(closing))
      yield* TestClock.adjust(1)
      assert.isFalse(yield* isRunning(closing))
    })
  )

  it.scoped(
    "and the store slow, a gateway that shuts down has its sessions leave within closeTimeout, handlers that hang or not",
    () =>
      Effect.gen(function* () {
        const { close, expire, members, memory, person, wire } = yield* crowd({ drainTimeout: 1000, storeDelay: 100 })
        const ann = yield* person("ann")
        yield* ann.read()
        assert.deepStrictEqual(yield* members(), ["ann"])
        yield* ann.client.send("hang")
        yield* settle
        const closing = yield* Effect.fork(close)
        yield* wire.down(true)
        yield* TestClock.adjust(2000)
        assert.isTrue(yield* isRunning(closing))
        yield* wire.down(false)
        yield* TestClock.adjust(2000)
        assert.isFalse(yield* isRunning(closing))
        yield* TestClock.adjust(window)
        yield* expire
        assert.deepStrictEqual((yield* memory.members(lobby.name, `${lobby.name}#presence`)).members, [])
      })
  )
})
