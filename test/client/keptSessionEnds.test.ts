/** What becomes of a kept session that ends, or is lost, and of a keeper that fails. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Scope, Stream, TestClock } from "effect"
import { CloseCode, Codec, SessionKeeper } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { FakeStorage } from "../browser/unit/fakePage.js"
import { countingStore, load, startOf, storageTab, tabs } from "../support/keptSessions.js"
import { collect, echoGateway, makeClient, settle, World } from "../support/virtual.js"

const { MemoryNetwork: Network } = MemoryNetwork

const NewWorld = Layer.merge(MemoryNetwork.layer(), countingStore([]))

/** A network on which the next dial meets a server that closes with this code. */
const closesWith = (code: number) =>
  Effect.gen(function* () {
    const network = yield* Network
    yield* network.onLink((link) => link.server.close(code, "as the test has it"))
    yield* network.cut()
    yield* TestClock.adjust("1 minute")
    yield* network.onLink(() => {})
  })

for (const [name, makeTab] of Object.entries(tabs)) {
  describe(`A session that is kept by ${name}`, () => {
    it.scoped("is left to the next client when its own's scope is closed, with all that it had accepted", () =>
      Effect.gen(function* () {
        const { closed, handled } = yield* echoGateway()
        const tab = makeTab()
        const scope = yield* Scope.make()
        const first = yield* makeClient().pipe(
          Scope.extend(scope),
          Effect.provideService(SessionKeeper.SessionKeeper, tab.keeper)
        )
        yield* first.deliver("before")
        const network = yield* Network
        network.silence()
        yield* first.send("accepted")
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(yield* first.status, { _tag: "Ended", reason: { _tag: "Closed" } })
        network.heal()
        const next = yield* load(tab)
        yield* settle
        assert.strictEqual(yield* startOf(next.client), "Resumed")
        assert.deepStrictEqual(handled, ["before", "accepted"])
        assert.deepStrictEqual(closed, [])
      }).pipe(Effect.provide(NewWorld))
    )

    it.scoped("is forgotten when its client is closed", () =>
      Effect.gen(function* () {
        const { gateway } = yield* echoGateway()
        const tab = makeTab()
        const { client, die } = yield* load(tab)
        yield* settle
        assert.isDefined(tab.ticket())
        yield* client.close
        assert.isUndefined(tab.ticket())
        yield* die
        const next = yield* load(tab)
        yield* settle
        assert.strictEqual(yield* startOf(next.client), "Fresh")
        assert.deepStrictEqual(next.events, [])
        assert.deepInclude(yield* gateway.stats, { sessions: 1 })
      }).pipe(Effect.provide(NewWorld))
    )

    for (const [code, isKept] of [
      [CloseCode.CloseCode.NotAuthenticated, true],
      [CloseCode.CloseCode.NotAllowed, true],
      [CloseCode.CloseCode.TakenOver, false],
      [CloseCode.CloseCode.SessionEnded, false],
      [CloseCode.CloseCode.ProtocolViolation, false],
      [4500, false]
    ] as const) {
      it.scoped(`is ${isKept ? "kept" : "forgotten"} when the server says ${code}`, () =>
        Effect.gen(function* () {
          yield* echoGateway()
          const tab = makeTab()
          const { client, die } = yield* load(tab)
          yield* client.deliver("before")
          yield* closesWith(code)
          assert.deepInclude(yield* client.status, { _tag: "Ended" })
          assert.strictEqual(tab.ticket() !== undefined, isKept)
          yield* die
          const next = yield* load(tab)
          yield* settle
          assert.strictEqual(yield* startOf(next.client), isKept ? "Resumed" : "Fresh")
        }).pipe(Effect.provide(NewWorld))
      )
    }

    it.scoped(
      "and lost by the server is told of once, with what may have become of it; what follows is the new one's",
      () =>
        Effect.gen(function* () {
          const network = yield* Network
          const { handled } = yield* echoGateway({ resumeWindow: "1 minute" })
          const tab = makeTab()
          const first = yield* load(tab)
          yield* first.client.deliver(1)
          yield* network.reach({ _tag: "Refused" })
          yield* network.cut()
          for (const n of [2, 3]) yield* first.client.send(n)
          yield* first.die
          yield* TestClock.adjust("2 minutes")
          yield* network.reach({ _tag: "Open" })
          const old = tab.ticket()?.session
          const second = yield* load(tab)
          yield* second.client.send(4)
          yield* settle
          const lost = { reason: "expired" as const, outcomeUnknown: 2, carriedOver: 1 }
          assert.deepInclude(yield* second.client.status, { start: { _tag: "Reset", ...lost } })
          assert.deepStrictEqual(second.events, [{ _tag: "SessionLost", ...lost }])
          assert.notStrictEqual(tab.ticket()?.session, old)
          assert.deepStrictEqual(handled, [1, 4])
          yield* TestClock.adjust(50)
          const { acknowledged, sent, unacknowledged } = yield* second.client.stats
          assert.deepStrictEqual([sent, acknowledged, unacknowledged], [1, 1, { messages: 0, bytes: 0 }])
          yield* second.client.send(5)
          yield* second.die
          const third = yield* load(tab)
          yield* settle
          assert.strictEqual(yield* startOf(third.client), "Resumed")
          assert.deepStrictEqual(third.events, [])
          assert.deepStrictEqual(handled, [1, 4, 5])
        }).pipe(Effect.provide(NewWorld))
    )

    it.scoped("is not a client's of another codec", () =>
      Effect.gen(function* () {
        yield* echoGateway()
        const tab = makeTab()
        const first = yield* load(tab)
        yield* first.client.deliver("json")
        yield* first.die
        const next = yield* load(tab, { codec: Codec.msgpack })
        yield* settle
        assert.strictEqual(yield* startOf(next.client), "Fresh")
        yield* next.client.deliver("msgpack")
      }).pipe(Effect.provide(NewWorld))
    )
  })
}

describe("A session that another page has claimed meanwhile", () => {
  it.scoped("is given up once, with all that was its own; the new one in its place is resumed like any other", () =>
    Effect.gen(function* () {
      const network = yield* Network
      const { handled } = yield* echoGateway()
      const storage = new FakeStorage()
      const old = storageTab(storage)
      const first = yield* load(old)
      yield* first.client.deliver(1)
      // The page goes into the back/forward cache, another takes its session, and it comes back.
      const head = JSON.parse(storage.items.get("holdfast/1") ?? "{}")
      old.hide()
      storage.items.set("holdfast/1", JSON.stringify({ ...head, owner: "another" }))
      old.show()
      const taken = new Map(storage.items)
      yield* network.cut()
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* startOf(first.client), "Reset")
      yield* first.client.deliver(2)
      for (const n of [3, 4]) {
        yield* network.cut()
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* startOf(first.client), "Resumed")
        yield* first.client.deliver(n)
      }
      assert.lengthOf(first.events, 1)
      assert.deepStrictEqual(handled, [1, 2, 3, 4])
      assert.deepStrictEqual(storage.items, taken)
    }).pipe(Effect.provide(NewWorld))
  )
})

describe("A keeper that fails", () => {
  for (const works of [0, 1, 3]) {
    it.scoped(`after ${works} writes is told of once, and its client lives on in memory`, () =>
      Effect.gen(function* () {
        const network = yield* Network
        const { handled } = yield* echoGateway()
        const storage = new FakeStorage()
        storage.onWrite = () => {
          if (storage.writes >= works) throw new Error("full")
        }
        const client = yield* Effect.provideService(
          makeClient(),
          SessionKeeper.SessionKeeper,
          storageTab(storage).keeper
        )
        const events = yield* collect(Stream.map(client.events, ({ _tag }) => _tag))
        for (const n of [1, 2]) yield* client.deliver(n)
        yield* network.cut()
        yield* TestClock.adjust("1 minute")
        yield* client.deliver(3)
        assert.strictEqual(yield* startOf(client), "Resumed")
        assert.deepStrictEqual(handled, [1, 2, 3])
        assert.deepStrictEqual(yield* events, ["NotKept"])
        assert.deepStrictEqual(storage.names, [])
      }).pipe(Effect.provide(World))
    )
  }
})
