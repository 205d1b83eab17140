/** gateway.send to sessions that live elsewhere: in order and once, whatever happens on the way. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import { ConnectionError, SessionStore } from "holdfast"
import { clientOf, distant, node, numbers, of, pass, type Store, sendAll } from "../support/manyGateways.js"
import { collect, isRunning, settle } from "../support/virtual.js"
import { virtually } from "../testing/support.js"

type Options = Parameters<typeof node<never>>[1]

const unavailable = new ConnectionError.StoreUnavailable({ cause: "down" })

/** Stores, and how many messages it takes on them until a session has moved often. */
const stores: Record<string, readonly [far: (memory: Store) => Store, messages: number]> = {
  "at once": [(memory) => memory, 500],
  "after some milliseconds": [(memory) => distant(memory, 2), 150]
}

for (const [when, [far, each]] of Object.entries(stores)) {
  const world = Effect.gen(function* () {
    const memory = yield* SessionStore.makeMemory()
    const [a, b] = [yield* node(far(memory)), yield* node(far(memory))]
    const one = yield* clientOf(a)
    return { memory, a, b, ...one, messages: yield* collect(one.client.messages) }
  })

  describe(`gateway.send, on a store that answers ${when}`, () => {
    it.effect("brings what two gateways send to a session that lives on one of them, 500 messages each", () =>
      virtually(
        Effect.gen(function* () {
          const { a, b, id, messages } = yield* world
          yield* Effect.all([sendAll(a, id, "a", 1, 500), sendAll(b, id, "b", 1, 500)], { concurrency: "unbounded" })
          yield* pass(1000)
          const got = yield* messages
          assert.deepStrictEqual(of(got, "a"), numbers(1, 500))
          assert.deepStrictEqual(of(got, "b"), numbers(1, 500))
          assert.lengthOf(got, 1000)
        })
      )
    )

    it.effect("brings them while the session goes from one to the other and back, in the middle of it", () => {
      const moving = Effect.gen(function* () {
        const { a, b, client, id, messages, moveTo } = yield* world
        const sending = yield* Effect.fork(
          Effect.all([sendAll(a, id, "a", 1, each), sendAll(b, id, "b", 1, each)], { concurrency: "unbounded" })
        )
        let moves = 0
        while (yield* isRunning(sending)) {
          yield* pass(3 + (moves % 7))
          yield* moveTo(moves++ % 2 === 0 ? b : a)
        }
        yield* Fiber.join(sending)
        yield* pass(5000)
        const got = yield* messages
        assert.deepStrictEqual(of(got, "a"), numbers(1, each))
        assert.deepStrictEqual(of(got, "b"), numbers(1, each))
        assert.isAbove((yield* client.ready).generation, 5)
        assert.isAbove(a.ends.length + b.ends.length, 4)
      })
      return Effect.forEach([undefined, 1], (shuffle) => virtually(moving, { shuffle }), { discard: true })
    })

    it.effect("brings them to a session that nobody hosts, when its client comes to another gateway", () =>
      virtually(
        Effect.gen(function* () {
          const { a, b, client, id, messages, reach } = yield* world
          yield* sendAll(b, id, "b", 1, 10)
          yield* pass(100)
          yield* a.network.reach({ _tag: "Refused" })
          yield* a.close
          assert.deepStrictEqual(a.ends, [{ _tag: "Shutdown" }])
          yield* sendAll(b, id, "b", 11, 500)
          assert.deepStrictEqual(of(yield* messages, "b"), numbers(1, 10))
          yield* reach(b)
          yield* client.reconnect
          yield* sendAll(b, id, "b", 501, 600)
          yield* pass(5000)
          assert.deepInclude(yield* client.status, { _tag: "Ready", start: { _tag: "Resumed" } })
          assert.deepStrictEqual(of(yield* messages, "b"), numbers(1, 600))
        })
      )
    )
  })
}

describe("gateway.send to a session that lives elsewhere", () => {
  /** Two gateways, of which the second has a store of its own making. */
  const world = (change: (memory: Store) => Partial<Store>, options?: Options) =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      const a = yield* node(memory, options)
      const b = yield* node({ ...memory, ...change(memory) }, options)
      return { memory, a, b, ...(yield* clientOf(a)) }
    })

  it.scoped("knows which sessions there are, and what fits", () =>
    Effect.gen(function* () {
      const { b, client, id, memory } = yield* world(() => ({}), { maxMessage: 100 })
      assert.deepInclude(yield* Effect.flip(b.gateway.send("nobody", 1)), { _tag: "SessionNotFound", id: "nobody" })
      const large = yield* Effect.flip(b.gateway.send(id, "x".repeat(99)))
      assert.deepInclude(large, { _tag: "MessageTooLarge", size: 101, limit: 100 })
      assert.strictEqual((yield* Effect.flip(b.gateway.send(id, () => {})))._tag, "MessageInvalid")
      const messages = yield* collect(client.messages)
      yield* b.gateway.send(id, "x".repeat(98))
      yield* settle
      assert.deepStrictEqual(yield* messages, ["x".repeat(98)])
      yield* memory.revoke({ session: id }, { _tag: "Ended", reason: "banned", final: true })
      assert.deepInclude(yield* Effect.flip(b.gateway.send(id, 1)), { _tag: "SessionNotFound", id })
    })
  )

  it.scoped("asks a store that fails again, with the same key, for writeDeadline", () =>
    Effect.gen(function* () {
      const keys = new Set<string>()
      let posts = 0
      let isDown = true
      const { b, client, id } = yield* world(
        (memory) => ({
          post: (id, mail, bounds) =>
            Effect.suspend(() => {
              posts++
              keys.add(mail.key)
              // It is done, and the answer is lost.
              return Effect.flatMap(memory.post(id, mail, bounds), (answer) =>
                isDown ? unavailable : Effect.succeed(answer)
              )
            })
        }),
        { writeDeadline: "3 seconds" }
      )
      const messages = yield* collect(client.messages)
      const failing = yield* Effect.fork(Effect.flip(b.gateway.send(id, 1)))
      yield* TestClock.adjust(2999)
      assert.isTrue(yield* isRunning(failing))
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(failing))._tag, "StoreUnavailable")
      assert.deepStrictEqual([posts, keys.size], [6, 1])
      const sending = yield* Effect.fork(b.gateway.send(id, 2))
      yield* TestClock.adjust(250)
      isDown = false
      yield* TestClock.adjust(150)
      yield* Fiber.join(sending)
      assert.strictEqual(keys.size, 2)
      assert.deepStrictEqual(yield* messages, [1, 2])
    })
  )

  it.scoped("waits while the mailbox is full, and brings all in order when there is room", () =>
    Effect.gen(function* () {
      const { a, b, client, id } = yield* world(() => ({}), { replayMessages: 4 })
      // Its client reads nothing: four messages are kept for it, and four are left in the mailbox.
      const sending = yield* Effect.fork(sendAll(b, id, "b", 1, 9))
      yield* TestClock.adjust("10 seconds")
      assert.isTrue(yield* isRunning(sending))
      const [session] = yield* a.gateway.sessions
      assert.strictEqual((yield* session?.info ?? Effect.die("none")).unacknowledged.messages, 4)
      const messages = yield* collect(client.messages)
      yield* TestClock.adjust("10 seconds")
      assert.isFalse(yield* isRunning(sending))
      assert.deepStrictEqual(of(yield* messages, "b"), numbers(1, 9))
    })
  )

  for (const [when, appends] of [
    ["before the store has it", false],
    ["when the store has it", true]
  ] as const) {
    it.scoped(`comes once when the owner is killed ${when}`, () =>
      Effect.gen(function* () {
        const memory = yield* SessionStore.makeMemory()
        let isDead = false
        const alive = <A, E>(effect: Effect.Effect<A, E>) => Effect.suspend(() => (isDead ? Effect.never : effect))
        const a = yield* node({
          ...memory,
          append: (...args) =>
            Effect.zipRight(
              appends ? memory.append(...args) : Effect.void,
              Effect.suspend(() => {
                isDead = true
                return Effect.never
              })
            ),
          acknowledge: (...args) => alive(memory.acknowledge(...args)),
          detach: (...args) => alive(memory.detach(...args)),
          remove: (...args) => alive(memory.remove(...args)),
          collect: (...args) => alive(memory.collect(...args)),
          watch: ({ mail }) => memory.watch({ lost: () => {}, mail: (id) => (isDead ? undefined : mail(id)) })
        })
        const b = yield* node(memory)
        const { client, id, moveTo } = yield* clientOf(a)
        const messages = yield* collect(client.messages)
        yield* sendAll(b, id, "b", 1, 3)
        yield* settle
        assert.isTrue(isDead)
        yield* sendAll(b, id, "b", 4, 5)
        yield* moveTo(b)
        yield* sendAll(b, id, "b", 6, 7)
        yield* settle
        assert.deepStrictEqual(of(yield* messages, "b"), numbers(1, 7))
      })
    )
  }

  it.scoped("from the gateway that it has just left is not refused: it follows the session", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      let isSlow = false
      const a = yield* node({
        ...memory,
        append: (...args) => Effect.suspend(() => Effect.delay(memory.append(...args), isSlow ? 1000 : 0))
      })
      const b = yield* node(memory)
      const { client, id, moveTo } = yield* clientOf(a)
      const messages = yield* collect(client.messages)
      isSlow = true
      const first = yield* Effect.fork(a.gateway.send(id, "a 1"))
      yield* settle
      yield* moveTo(b)
      assert.isTrue(yield* isRunning(first), "what became of it is not known yet")
      yield* TestClock.adjust(1000)
      yield* Fiber.join(first)
      yield* a.gateway.send(id, "a 2")
      yield* settle
      assert.deepStrictEqual(of(yield* messages, "a"), [1, 2])
    })
  )

  it.scoped("from there is refused, and not sent again, where the store failed: it may have it", () =>
    Effect.gen(function* () {
      const memory = yield* SessionStore.makeMemory()
      const a = yield* node({
        ...memory,
        // It is done, and the answer is lost.
        append: (...args) => Effect.zipRight(memory.append(...args), unavailable)
      })
      const b = yield* node(memory)
      const { client, id, moveTo } = yield* clientOf(a)
      const messages = yield* collect(client.messages)
      const sending = yield* Effect.fork(Effect.flip(a.gateway.send(id, "a 1")))
      yield* settle
      yield* moveTo(b)
      yield* TestClock.adjust(1000)
      assert.strictEqual((yield* Fiber.join(sending))._tag, "SessionClosed")
      assert.deepStrictEqual(of(yield* messages, "a"), [1])
    })
  )
})
