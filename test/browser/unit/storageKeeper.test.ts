/** A session in a tab's storage: who has it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { FakeStorage, fill, message, openPage, stateOf } from "./fakePage.js"

const day = 86_400_000

describe("What a page kept", () => {
  it.scoped("is found by the page after it, with every message in order", () =>
    Effect.gen(function* () {
      const storage = new FakeStorage()
      const page = yield* openPage({ storage })
      assert.isUndefined(page.keeper?.found)
      fill(page.keeper, stateOf({ acknowledged: 2, processed: 7, attempts: 3, topics: ["a"] }), 3, 4, 5)
      page.hide()
      const next = yield* openPage({ storage })
      assert.deepStrictEqual(next.keeper?.found, {
        ...stateOf({ acknowledged: 2, processed: 7, attempts: 3, topics: ["a"] }),
        messages: [message(3), message(4), message(5)]
      })
    })
  )

  it.scoped("comes back byte for byte, text and binary", () =>
    Effect.gen(function* () {
      const storage = new FakeStorage()
      const page = yield* openPage({ storage })
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
      const payloads = ["", '"\u{1f600} \u2028 \\"', new Uint8Array(), bytes]
      page.keeper?.keep(stateOf())
      payloads.forEach((payload, at) => {
        page.keeper?.add({ seq: at + 1, payload, confirm: at % 2 === 1 })
      })
      page.hide()
      const next = yield* openPage({ storage })
      const found = next.keeper?.found?.messages ?? []
      assert.deepStrictEqual(
        found.map(({ payload }) => payload),
        payloads
      )
      assert.deepStrictEqual(
        found.map(({ confirm }) => confirm),
        [false, true, false, true]
      )
    })
  )

  it.scoped("is removed as far as it was acknowledged, and all of it when it is forgotten", () =>
    Effect.gen(function* () {
      const storage = new FakeStorage()
      const { hide, keeper } = yield* openPage({ storage })
      fill(keeper, stateOf(), 1, 2, 3)
      keeper?.keep(stateOf({ acknowledged: 2 }))
      keeper?.remove(2)
      assert.deepStrictEqual(storage.names.length, 2, "the head and message 3")
      keeper?.forget()
      assert.lengthOf(storage.names, 1)
      hide()
      const next = yield* openPage({ storage })
      assert.deepStrictEqual(next.keeper?.found, { ...stateOf({ ticket: undefined }), messages: [] })
    })
  )

  it.scoped("leaves the keys of everybody else alone, whatever their names begin with", () =>
    Effect.gen(function* () {
      const others = ["holdfast", "holdfast/1/draft", "holdfast/1/7", "holdfast/10", "holdfast/1#note", "other"]
      const storage = new FakeStorage(others.map((name) => [name, "theirs"]))
      const page = yield* openPage({ storage })
      fill(page.keeper, stateOf(), 1, 2)
      page.keeper?.forget()
      fill(page.keeper, stateOf(), 1)
      page.hide()
      yield* openPage({ storage })
      for (const name of others) assert.strictEqual(storage.items.get(name), "theirs", name)
    })
  )

  it.scoped("under one key has nothing to do with what is under a key that begins with it", () =>
    Effect.gen(function* () {
      const storage = new FakeStorage()
      const one = yield* openPage({ storage, key: "chat" })
      fill(one.keeper, stateOf(), 1, 2)
      const other = yield* openPage({ storage, key: "chat/1" })
      fill(other.keeper, stateOf({ ticket: { session: "other", secret: "x" } }), 1)
      other.keeper?.forget()
      one.hide()
      const again = yield* openPage({ storage, key: "chat" })
      assert.deepStrictEqual(again.keeper?.found, { ...stateOf(), messages: [message(1), message(2)] })
    })
  )

  it.scoped("by a client of another subprotocol is not used", () =>
    Effect.gen(function* () {
      const storage = new FakeStorage()
      const page = yield* openPage({ storage })
      fill(page.keeper, stateOf(), 1)
      page.hide()
      const next = yield* openPage({ storage, subprotocol: "holdfast.v1.msgpack" })
      assert.isUndefined(next.keeper?.found)
      assert.lengthOf(storage.names, 1)
    })
  )
})

describe("A session in use", () => {
  it.scoped("is not had by the copy of its page, which has its own and touches nothing of it", () =>
    Effect.gen(function* () {
      const storage = new FakeStorage()
      const page = yield* openPage({ storage })
      fill(page.keeper, stateOf(), 1)
      const copy = storage.copy()
      const copied = yield* openPage({ storage: copy })
      assert.isUndefined(copied.keeper?.found)
      fill(copied.keeper, stateOf({ ticket: { session: "mine", secret: "x" } }), 1)
      copied.hide()
      const again = yield* openPage({ storage: copy })
      assert.strictEqual(again.keeper?.found?.ticket?.session, "mine")
      assert.isTrue(page.keeper?.isMine())
      assert.deepStrictEqual(
        storage.names,
        [...storage.names].filter((name) => !name.includes("/2"))
      )
    })
  )

  it.scoped("of one client is not had by another of the same page, and each gets its own after a reload", () =>
    Effect.gen(function* () {
      const storage = new FakeStorage()
      for (const visit of [1, 2, 3]) {
        const events = new EventTarget()
        const pages = [yield* openPage({ storage }, events), yield* openPage({ storage }, events)]
        pages.forEach(({ keeper }, at) => {
          const found = keeper?.found
          assert.strictEqual(found?.ticket?.session, visit === 1 ? undefined : `session ${at}`)
          assert.strictEqual(found?.attempts, visit === 1 ? undefined : visit - 1)
          fill(keeper, stateOf({ ticket: { session: `session ${at}`, secret: "x" }, attempts: visit }))
        })
        events.dispatchEvent(new Event("pagehide"))
      }
    })
  )

  it.scoped("that a page had which ended without notice is nobody's: the next page has its own, and keeps it", () =>
    Effect.gen(function* () {
      const storage = new FakeStorage()
      const page = yield* openPage({ storage })
      fill(page.keeper, stateOf(), 1)
      const next = yield* openPage({ storage })
      assert.isUndefined(next.keeper?.found)
      fill(next.keeper, stateOf({ ticket: { session: "own", secret: "x" } }), 1)
      next.hide()
      // What the crash has left goes stale meanwhile: its place is no reason to give up a session that lives.
      yield* TestClock.adjust(day)
      const third = yield* openPage({ storage })
      assert.strictEqual(third.keeper?.found?.ticket?.session, "own")
    })
  )

  it.scoped("is left alone by pages after it when the clock has gone backwards", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(10 * day)
      const storage = new FakeStorage()
      const page = yield* openPage({ storage })
      fill(page.keeper, stateOf(), 1)
      yield* TestClock.setTime(day)
      const next = yield* openPage({ storage })
      assert.isUndefined(next.keeper?.found)
      page.hide()
      const third = yield* openPage({ storage })
      assert.strictEqual(third.keeper?.found?.ticket?.session, "s")
    })
  )

  it.scoped("eight times is all that is kept under one key: one more says so, and keeps nothing", () =>
    Effect.gen(function* () {
      const storage = new FakeStorage()
      for (let i = 1; i <= 8; i++) assert.isDefined((yield* openPage({ storage })).keeper)
      const { writes } = storage
      const ninth = yield* openPage({ storage })
      assert.isUndefined(ninth.keeper)
      assert.lengthOf(ninth.failures, 1)
      assert.strictEqual(storage.writes, writes)
      yield* TestClock.adjust(day)
      assert.isDefined((yield* openPage({ storage })).keeper, "a day later they count as dead")
    })
  )
})
