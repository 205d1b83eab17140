/** What the store says by itself may come late, twice or not at all: no mail is lost by it, and none comes twice. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { ConnectionError, SessionStore } from "holdfast"
import { clientOf, node, numbers, of, type Store, sendAll } from "../support/manyGateways.js"
import { collect, settle } from "../support/virtual.js"

const unavailable = new ConnectionError.StoreUnavailable({ cause: "down" })

describe("Mail for a session that lives elsewhere", () => {
  it.scoped("is not lost where nobody hears of mail: the session has it when its client comes back", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      const a = yield* node({ ...memory, watch: () => Effect.void })
      const b = yield* node(memory)
      const { client, id, moveTo } = yield* clientOf(a)
      const messages = yield* collect(client.messages)
      yield* sendAll(b, id, "b", 1, 3)
      yield* settle
      assert.deepStrictEqual(of(yield* messages, "b"), [])
      yield* moveTo(a)
      assert.deepStrictEqual(of(yield* messages, "b"), numbers(1, 3))
    })
  )

  it.scoped("comes once when its client comes back while the store is being told of it", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      const append: Store["append"] = (...args) => Effect.delay(memory.append(...args), 1000)
      const a = yield* node({ ...memory, append, watch: () => Effect.void })
      const b = yield* node(memory)
      const { client, id, moveTo } = yield* clientOf(a)
      const messages = yield* collect(client.messages)
      yield* sendAll(b, id, "b", 1, 2)
      yield* moveTo(a)
      yield* sendAll(b, id, "b", 3, 4)
      // The store still has what the gateway took already.
      yield* moveTo(a)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(of(yield* messages, "b"), numbers(1, 4))
      assert.deepStrictEqual(yield* memory.collect(id, 3, 0), [])
    })
  )

  it.scoped("is not lost where the store fails, and what it says meanwhile is lost: it is looked for after that", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      let isDown = false
      const a = yield* node({
        ...memory,
        watch: ({ lost, mail }) => memory.watch({ lost, mail: (id) => (isDown ? undefined : mail(id)) }),
        announce: (info) => Effect.suspend(() => (isDown ? unavailable : memory.announce(info)))
      })
      const b = yield* node(memory)
      const { client, id } = yield* clientOf(a)
      const messages = yield* collect(client.messages)
      isDown = true
      yield* sendAll(b, id, "b", 1, 3)
      yield* TestClock.adjust("15 seconds")
      assert.deepStrictEqual(of(yield* messages, "b"), [])
      isDown = false
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(of(yield* messages, "b"), numbers(1, 3))
    })
  )

  it.scoped("comes once, however often the owner hears of it, and while it is being fetched", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      const watchers: Array<SessionStore.Watcher> = []
      let collects = 0
      const a = yield* node({
        ...memory,
        watch: (watcher) =>
          Effect.zipRight(
            Effect.sync(() => watchers.push(watcher)),
            memory.watch(watcher)
          ),
        collect: (...args) =>
          Effect.suspend(() => {
            collects++
            return Effect.delay(memory.collect(...args), 100)
          }),
        append: (...args) => Effect.delay(memory.append(...args), 1000)
      })
      const b = yield* node(memory)
      const { client, id } = yield* clientOf(a)
      const messages = yield* collect(client.messages)
      yield* sendAll(b, id, "b", 1, 3)
      for (let hint = 0; hint < 30; hint++) {
        for (const { mail } of watchers) mail(id)
        yield* TestClock.adjust(30)
      }
      yield* sendAll(b, id, "b", 4, 5)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(of(yield* messages, "b"), numbers(1, 5))
      assert.isAtMost(collects, 13, "one at a time")
    })
  )

  it.scoped("is fetched once more when more has come while it was being fetched", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      const a = yield* node({
        ...memory,
        // The answer takes its time.
        collect: (...args) => Effect.zipLeft(memory.collect(...args), Effect.sleep(100))
      })
      const b = yield* node(memory)
      const { client, id } = yield* clientOf(a)
      const messages = yield* collect(client.messages)
      yield* b.gateway.send(id, "b 1")
      yield* TestClock.adjust(50)
      yield* b.gateway.send(id, "b 2")
      yield* TestClock.adjust(50)
      assert.deepStrictEqual(of(yield* messages, "b"), [1])
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(of(yield* messages, "b"), [1, 2])
    })
  )

  it.scoped("is fetched when it has come while its next gateway was waiting for the session", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      const a = yield* node(memory)
      const b = yield* node({
        ...memory,
        attach: (request) => Effect.zipLeft(memory.attach(request), Effect.sleep(100))
      })
      const { client, id, moveTo } = yield* clientOf(a)
      const messages = yield* collect(client.messages)
      yield* moveTo(b)
      // The store has answered without it.
      yield* a.gateway.send(id, "a 1")
      yield* settle
      assert.deepStrictEqual(of(yield* messages, "a"), [])
      yield* TestClock.adjust(100)
      assert.deepStrictEqual(of(yield* messages, "a"), [1])
    })
  )
})
