/** Pages that are left, come back, and overlap. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { FakeStorage, fill, message, openPage, stateOf } from "./fakePage.js"

describe("A page that is left", () => {
  it.scoped("and comes back goes on, if nobody has claimed its session", () =>
    Effect.gen(function* () {
      const storage = new FakeStorage()
      const page = yield* openPage({ storage })
      fill(page.keeper, stateOf(), 1)
      page.hide()
      page.show()
      assert.isTrue(page.keeper?.isMine())
      page.keeper?.add(message(2))
      const other = yield* openPage({ storage })
      assert.isUndefined(other.keeper?.found, "it is in use again")
      page.hide()
      const next = yield* openPage({ storage })
      assert.deepStrictEqual(next.keeper?.found?.messages, [message(1), message(2)])
    })
  )

  it.scoped("and comes back after another has claimed its session has lost it for good, and writes nothing", () =>
    Effect.gen(function* () {
      const storage = new FakeStorage()
      const page = yield* openPage({ storage })
      fill(page.keeper, stateOf(), 1)
      page.hide()
      const next = yield* openPage({ storage })
      assert.isDefined(next.keeper?.found)
      page.show()
      assert.isFalse(page.keeper?.isMine())
      const before = new Map(storage.items)
      page.keeper?.keep(stateOf({ attempts: 9 }))
      page.keeper?.add(message(2))
      page.keeper?.remove(1)
      page.keeper?.forget()
      page.hide()
      page.show()
      yield* page.close
      assert.deepStrictEqual(storage.items, before)
      assert.isFalse(page.keeper?.isMine())
      // Not even when the other is gone.
      next.hide()
      page.show()
      assert.isFalse(page.keeper?.isMine())
    })
  )

  it.scoped("keeps what its own listeners of pagehide send, and what it has processed meanwhile", () =>
    Effect.gen(function* () {
      const storage = new FakeStorage()
      const page = yield* openPage({ storage })
      fill(page.keeper, stateOf(), 1)
      page.events.addEventListener("pagehide", () => {
        page.keeper?.keep(stateOf({ processed: 4 }))
        page.keeper?.add(message(2))
      })
      page.hide()
      const next = yield* openPage({ storage })
      assert.deepStrictEqual(next.keeper?.found, {
        ...stateOf({ processed: 4 }),
        messages: [message(1), message(2)]
      })
    })
  )

  it.scoped("has no gap in what it kept when it comes back and is loaded again", () =>
    Effect.gen(function* () {
      const storage = new FakeStorage()
      const page = yield* openPage({ storage })
      fill(page.keeper, stateOf(), 1)
      page.hide()
      page.keeper?.add(message(2))
      page.show()
      page.keeper?.add(message(3))
      page.hide()
      const next = yield* openPage({ storage })
      assert.deepStrictEqual(next.keeper?.found?.messages, [message(1), message(2), message(3)])
    })
  )

  it.scoped("and goes on without having been told is its session's again, unless another has claimed it", () =>
    Effect.gen(function* () {
      const storage = new FakeStorage()
      const page = yield* openPage({ storage })
      fill(page.keeper, stateOf(), 1)
      page.hide()
      assert.isTrue(page.keeper?.isMine(), "whoever asks, runs")
      assert.isUndefined((yield* openPage({ storage })).keeper?.found, "and is in nobody's way")
      page.hide()
      const next = yield* openPage({ storage })
      assert.isDefined(next.keeper?.found)
      assert.isFalse(page.keeper?.isMine())
    })
  )

  it.scoped("late, with its successor there already, leaves both a session of their own", () =>
    Effect.gen(function* () {
      const storage = new FakeStorage()
      const old = yield* openPage({ storage })
      fill(old.keeper, stateOf(), 1)
      const next = yield* openPage({ storage })
      assert.isUndefined(next.keeper?.found)
      fill(next.keeper, stateOf({ ticket: { session: "next", secret: "x" } }), 1)
      old.keeper?.add(message(2))
      old.hide()
      next.keeper?.add(message(2))
      next.hide()
      const found = [yield* openPage({ storage }), yield* openPage({ storage })].map(({ keeper }) => keeper?.found)
      assert.deepStrictEqual(
        found.map((kept) => [kept?.ticket?.session, kept?.messages.length]),
        [
          ["s", 2],
          ["next", 2]
        ]
      )
    })
  )

  it.scoped("is not heard any more once its client's scope has closed", () =>
    Effect.gen(function* () {
      const storage = new FakeStorage()
      const page = yield* openPage({ storage })
      fill(page.keeper, stateOf(), 1)
      yield* page.close
      const next = yield* openPage({ storage })
      assert.isDefined(next.keeper?.found)
      const before = new Map(storage.items)
      page.show()
      page.hide()
      assert.deepStrictEqual(storage.items, before)
    })
  )
})
