/** Members that are away: from when that is told, since when it is, and that it is told of nobody who is there. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope, Stream, TestClock } from "effect"
import { Dialer, Presence } from "holdfast"
import { annAndWatcher, crowd, garden, lobby, twoGateways, window } from "../support/crowd.js"
import { dial, join, resumeOf } from "../support/peer.js"
import { settle } from "../support/virtual.js"

describe("A member is away", () => {
  it.scoped("from exactly awayAfter on, and there again as soon as it subscribes", () =>
    Effect.gen(function* () {
      const { ann, changes, gateway } = yield* annAndWatcher({ awayAfter: "7 seconds" })
      yield* TestClock.adjust(1234)
      yield* ann.goAway
      yield* TestClock.adjust(6999)
      assert.deepStrictEqual(changes(), [])
      assert.notProperty((yield* gateway.members(lobby))[0], "away")
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(changes(), ["Away ann"])
      assert.deepInclude(
        (yield* gateway.members(lobby))[0],
        { principal: "ann", away: 1234 },
        "since its connection was lost"
      )
      yield* TestClock.adjust("1 minute")
      yield* ann.comeBack()
      assert.deepStrictEqual(changes(), ["Away ann", "Back ann"])
      assert.notProperty((yield* gateway.members(lobby))[0], "away")
      yield* TestClock.adjust(window * 2)
      assert.strictEqual(changes().length, 2)
    })
  )

  it.scoped("after 5 seconds, where nothing else is said; one that is back before is told to nobody", () =>
    Effect.gen(function* () {
      const { ann, changes } = yield* annAndWatcher()
      yield* ann.goAway
      yield* TestClock.adjust(4999)
      yield* ann.comeBack()
      yield* TestClock.adjust(window)
      assert.deepStrictEqual(changes(), [])
      yield* ann.goAway
      yield* TestClock.adjust(5000)
      assert.deepStrictEqual(changes(), ["Away ann"])
    })
  )

  it.scoped("at once with an awayAfter of nothing", () =>
    Effect.gen(function* () {
      const { ann, changes } = yield* annAndWatcher({ awayAfter: 0 })
      yield* ann.goAway
      assert.deepStrictEqual(changes(), ["Away ann"])
      yield* ann.comeBack()
      assert.deepStrictEqual(changes(), ["Away ann", "Back ann"])
    })
  )

  for (const [code, isAtOnce] of [
    [1001, true],
    [1000, false],
    [4000, false]
  ] as const) {
    it.scoped(`${isAtOnce ? "at once" : "after awayAfter"} where its page closes with ${code}`, () =>
      Effect.gen(function* () {
        const { dialer, person } = yield* crowd()
        const watcher = yield* person("watcher")
        const { seen } = yield* watcher.watch()
        yield* Effect.gen(function* () {
          const { peer, welcome } = yield* join({ token: "ann" })
          yield* peer.say({ type: "subscribe", id: 1, topic: lobby.name })
          yield* peer.close(code)
          assert.deepStrictEqual(seen.slice(2), isAtOnce ? ["Away ann"] : [])
          yield* TestClock.adjust(5000)
          assert.deepStrictEqual(seen.slice(2), ["Away ann"])
          // Loaded again, it goes on; its subscription comes when it does.
          const back = yield* dial
          yield* back.say({ type: "hello", token: "ann", ...resumeOf(welcome) })
          assert.deepStrictEqual(seen.slice(2), ["Away ann", "Back ann"])
        }).pipe(Effect.provideService(Dialer.Dialer, dialer))
      })
    )
  }

  it.scoped("in all its topics, and not in those that it has left", () =>
    Effect.gen(function* () {
      const { ann, changes, reading, watcher } = yield* annAndWatcher()
      yield* ann.read(garden)
      const inGarden = yield* watcher.watch(garden)
      yield* reading.stop
      yield* ann.goAway
      yield* TestClock.adjust(5000)
      assert.deepStrictEqual(changes(), ["Left ann"])
      assert.deepStrictEqual(inGarden.seen, ["Members ann", "Away ann"])
    })
  )

  it.scoped("as those find who ask then, and a watcher that was away itself", () =>
    Effect.gen(function* () {
      const { ann, changes, person, watcher } = yield* annAndWatcher()
      yield* watcher.goAway
      yield* ann.goAway
      yield* TestClock.adjust("10 seconds")
      yield* watcher.comeBack()
      assert.deepStrictEqual(changes(), ["Away ann"])
      const late = yield* person("late")
      const roster = yield* Stream.runHead(Presence.roster(late.client.presence(lobby)))
      assert.deepInclude(roster, { _tag: "Some" })
      assert.strictEqual(roster._tag === "Some" ? roster.value[0]?.away : undefined, 0)
    })
  )

  it.scoped("until its session is over, of which alone is told then", () =>
    Effect.gen(function* () {
      const { ann, changes } = yield* annAndWatcher()
      yield* ann.goAway
      yield* TestClock.adjust(window + 1)
      assert.deepStrictEqual(changes(), ["Away ann", "Left ann"])
      yield* TestClock.adjust(window)
      assert.strictEqual(changes().length, 2)
    })
  )

  it.scoped("even if it was subscribing when its connection was lost", () =>
    Effect.gen(function* () {
      const { members, person, wire } = yield* crowd()
      const watcher = yield* person("watcher")
      const { seen } = yield* watcher.watch()
      const ann = yield* person("ann")
      yield* wire.hold("join")
      yield* ann.read()
      yield* ann.goAway
      yield* TestClock.adjust("10 seconds")
      yield* wire.letGo
      yield* settle
      assert.deepStrictEqual(seen, ["Members", "Joined ann", "Away ann"])
      assert.deepStrictEqual(yield* members(), ["ann"])
    })
  )
})

describe("A member that comes back", () => {
  it.scoped("while it is being told to be away is there in the end", () =>
    Effect.gen(function* () {
      const { ann, changes, gateway, wire } = yield* annAndWatcher()
      yield* ann.goAway
      yield* wire.hold("join")
      yield* TestClock.adjust(5000)
      const telling = yield* wire.next
      yield* ann.comeBack()
      yield* telling.answer
      yield* wire.letGo
      yield* settle
      assert.deepStrictEqual(changes(), ["Away ann", "Back ann"])
      assert.notProperty((yield* gateway.members(lobby))[0], "away")
    })
  )

  it.scoped("and goes again meanwhile is away from its last connection on", () =>
    Effect.gen(function* () {
      const { ann, changes, gateway, wire } = yield* annAndWatcher()
      yield* ann.goAway
      yield* wire.hold("join")
      yield* TestClock.adjust(5000)
      yield* ann.comeBack()
      yield* TestClock.adjust(1000)
      yield* ann.goAway
      yield* wire.letGo
      yield* settle
      assert.deepStrictEqual(changes().slice(0, 2), ["Away ann", "Back ann"])
      yield* TestClock.adjust(5000)
      assert.strictEqual(changes().at(-1), "Away ann")
      assert.deepInclude((yield* gateway.members(lobby))[0], { away: 6000 })
    })
  )

  it.scoped("on another gateway stays there, however late the first one says that it is away", () =>
    Effect.gen(function* () {
      const { ann, b, changes, gateway, wire } = yield* twoGateways({ isStoreMute: true })
      yield* ann.goAway
      yield* TestClock.adjust(4000)
      yield* ann.comeBack(b)
      assert.deepInclude(yield* ann.client.status, { _tag: "Ready", start: { _tag: "Resumed" } })
      // The first one has not heard of it.
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual(changes(), [])
      assert.notProperty((yield* gateway.members(lobby))[0], "away")
      assert.deepStrictEqual(yield* wire.waiting, [])
    })
  )

  it.scoped("on another gateway, having been told to be away, is told to be back", () =>
    Effect.gen(function* () {
      const { a, ann, b, changes } = yield* twoGateways()
      yield* ann.goAway
      yield* TestClock.adjust(5000)
      yield* ann.comeBack(b)
      assert.deepStrictEqual(changes(), ["Away ann", "Back ann"])
      yield* a.close
      yield* TestClock.adjust(window * 2)
      assert.strictEqual(changes().length, 2)
    })
  )
})

it.scoped("Who is away when the gateway closes is told nothing more, and nothing of it is left running", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const { ann, changes, close } = yield* Scope.extend(annAndWatcher(), scope)
    yield* ann.goAway
    const closing = yield* Effect.fork(close)
    yield* TestClock.adjust("10 seconds")
    yield* closing.await
    yield* TestClock.adjust("10 seconds")
    assert.deepStrictEqual(changes(), [])
    yield* Scope.close(scope, Exit.void)
  })
)

it("Members are counted by principal: away are those of whom no session is there, since the last one was", () => {
  const people = Presence.byPrincipal([
    { session: "1", principal: "ann", away: 10 },
    { session: "2", principal: "bob", away: 20 },
    { session: "3", principal: "ann" },
    { session: "4", principal: "bob", away: 30 }
  ])
  assert.deepStrictEqual(people, [
    {
      principal: "ann",
      members: [
        { session: "1", principal: "ann", away: 10 },
        { session: "3", principal: "ann" }
      ]
    },
    {
      principal: "bob",
      members: [
        { session: "2", principal: "bob", away: 20 },
        { session: "4", principal: "bob", away: 30 }
      ],
      away: 30
    }
  ])
  assert.deepStrictEqual(Presence.byPrincipal([]), [])
})
