/** The locks that guard a kept session where the name in the storage does not tell its pages apart. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope, TestClock } from "effect"
import { SessionLock } from "../../../src/browser/internal/sessionLock.js"
import { isRunning, settle } from "../../support/virtual.js"
import { FakeLocks, FakeStorage, fill, openPage, stateOf } from "./fakePage.js"

const name = "holdfast/s"

/** A storage with the session `s`, which nobody has. */
const left = Effect.gen(function* () {
  const storage = new FakeStorage()
  const page = yield* openPage({ storage })
  fill(page.keeper, stateOf(), 1)
  page.hide()
  return storage
})

/** Opens a page, which may wait for a lock: what it is after so many milliseconds. */
const openWithin = (millis: number, storage: Storage, locks: FakeLocks) =>
  Effect.gen(function* () {
    const opening = yield* Effect.fork(openPage({ storage, locks }))
    yield* settle
    if (millis > 0) {
      yield* TestClock.adjust(millis - 1)
      assert.isTrue(yield* isRunning(opening), `it waits for ${millis} ms`)
      yield* TestClock.adjust(1)
    }
    return yield* Fiber.join(opening)
  })

describe("A storage that is copied while nobody has its session", () => {
  it.scoped("has it for exactly one of the two pages: the other has its own a second later", () =>
    Effect.gen(function* () {
      const storage = yield* left
      const copy = storage.copy()
      const locks = new FakeLocks()
      const first = yield* openWithin(0, storage, locks)
      const second = yield* openWithin(1000, copy, locks)
      assert.strictEqual(first.keeper?.found?.ticket?.session, "s")
      assert.isUndefined(second.keeper?.found)
      assert.isTrue(second.keeper?.isMine())
      fill(second.keeper, stateOf({ ticket: { session: "own", secret: "x" } }))
      yield* settle
      assert.deepStrictEqual(locks.taken, ["holdfast/own", name])
      assert.deepStrictEqual([first.failures, second.failures], [[], []])
      second.hide()
      const again = yield* openWithin(0, copy, locks)
      assert.strictEqual(again.keeper?.found?.ticket?.session, "own")
    })
  )
})

describe("The lock on a session", () => {
  it.scoped("is given back as the page is left, and had by the next one until its client ends", () =>
    Effect.gen(function* () {
      const locks = new FakeLocks()
      const storage = yield* left
      const old = yield* openWithin(0, storage, locks)
      assert.deepStrictEqual(locks.taken, [name])
      old.hide()
      yield* settle
      assert.deepStrictEqual(locks.taken, [])
      const next = yield* openWithin(0, storage, locks)
      assert.isDefined(next.keeper?.found)
      assert.deepStrictEqual(locks.taken, [name])
      yield* next.close
      yield* settle
      assert.deepStrictEqual(locks.taken, [])
    })
  )

  it.scoped("is waited for while the page before still has it", () =>
    Effect.gen(function* () {
      const locks = new FakeLocks()
      const storage = yield* left
      const old = new SessionLock(locks.manager, () => {})
      assert.isTrue(yield* old.claim("s"))
      const opening = yield* Effect.fork(openPage({ storage, locks }))
      yield* TestClock.adjust(999)
      old.drop()
      yield* settle
      assert.isDefined((yield* Fiber.join(opening)).keeper?.found)
    })
  )

  for (const mode of ["reject", "never"] as const) {
    it.scoped(
      `that browsers ${mode === "reject" ? "do not allow" : "never answer for"} holds no page up for ever`,
      () =>
        Effect.gen(function* () {
          const locks = new FakeLocks()
          locks.mode = mode
          const page = yield* openWithin(mode === "reject" ? 0 : 1000, yield* left, locks)
          // Where nobody answers, somebody else may have it.
          assert.strictEqual(page.keeper?.found?.ticket?.session, mode === "reject" ? "s" : undefined)
          assert.isTrue(page.keeper?.isMine())
          assert.deepStrictEqual(page.failures, [])
        })
    )
  }

  it.scoped("is had again when the page comes back at once, and not given up a second later", () =>
    Effect.gen(function* () {
      const locks = new FakeLocks()
      const page = yield* openWithin(0, yield* left, locks)
      for (let i = 0; i < 3; i++) {
        page.hide()
        page.show()
      }
      yield* settle
      assert.isTrue(locks.isHeld(name))
      yield* TestClock.adjust(5000)
      assert.isTrue(locks.isHeld(name))
      assert.strictEqual(locks.waiting(name), 0)
      page.hide()
      yield* settle
      assert.isFalse(locks.isHeld(name))
    })
  )

  it.scoped("follows the session, from one to the next", () =>
    Effect.gen(function* () {
      const locks = new FakeLocks()
      const page = yield* openWithin(0, new FakeStorage(), locks)
      assert.deepStrictEqual(locks.taken, [])
      for (const session of ["a", "b", "b", "c"]) {
        page.keeper?.keep(stateOf({ ticket: { session, secret: "x" } }))
        yield* settle
        assert.deepStrictEqual(locks.taken, [`holdfast/${session}`])
      }
    })
  )

  it.scoped("is given back by whoever waited no longer when it was granted", () =>
    Effect.gen(function* () {
      const locks = new FakeLocks()
      locks.mode = "never"
      locks.ignoresAbort = true
      const page = yield* openWithin(1000, yield* left, locks)
      fill(page.keeper, stateOf({ ticket: { session: "own", secret: "x" } }))
      yield* page.close
      locks.mode = "grant"
      locks.next(name)
      locks.next("holdfast/own")
      yield* settle
      assert.deepStrictEqual(locks.taken, [])
    })
  )

  // At any turn of the event loop between the request and its answer.
  for (let turns = 0; turns < 8; turns++) {
    it.scoped(`is held by nobody when its client ends ${turns} turns after it was asked for`, () =>
      Effect.gen(function* () {
        const locks = new FakeLocks()
        const scope = yield* Scope.make()
        const runs: Array<Fiber.RuntimeFiber<void>> = []
        const lock = new SessionLock(locks.manager, (effect) => void runs.push(Effect.runFork(effect)))
        const claiming = yield* Effect.forkIn(lock.claim("s"), scope)
        for (let turn = 0; turn < turns; turn++) yield* Effect.promise(() => Promise.resolve())
        yield* Effect.fork(Scope.close(scope, Exit.void))
        yield* Fiber.await(claiming)
        lock.drop()
        yield* settle
        assert.deepStrictEqual(locks.taken, [])
        assert.strictEqual(locks.waiting(name), 0)
      })
    )
  }
})
