import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, TestClock } from "effect"
import { SessionStore } from "holdfast"
import { SessionStoreLaws } from "holdfast/testing"

const { SessionStore: Store } = SessionStore

const session = { id: "s", principal: "ann", subprotocol: "holdfast.v1.json", secretHash: "h1" } as const
const request = { id: "s", principal: "ann", secretHash: "h1", nextSecretHash: "h2", attempt: undefined }

describe("the memory store", () => {
  SessionStoreLaws.suite(Layer.effect(Store, SessionStore.makeMemory()), (law, holds) => it.effect(law, () => holds))
})

describe("SessionStore.makeMemory", () => {
  it.effect("keeps no more tombstones than it is told", () =>
    Effect.gen(function* () {
      const store = yield* SessionStore.makeMemory({ maxTombstones: 2 })
      for (const id of ["a", "b", "c"]) {
        yield* store.create({ ...session, id })
        yield* store.remove(id, 1, { _tag: "Expired" })
      }
      const tags = yield* Effect.forEach(["a", "b", "c"], (id) =>
        Effect.map(store.attach({ ...request, id }), (a) => a._tag)
      )
      assert.deepStrictEqual(tags, ["Unknown", "Gone", "Gone"])
    })
  )

  it.effect("does not bring back what has expired, when its owner detaches it once more", () =>
    Effect.gen(function* () {
      const store = yield* SessionStore.makeMemory()
      yield* store.create(session)
      yield* store.detach("s", 1, 1000)
      yield* TestClock.adjust(1001)
      assert.deepInclude(yield* Effect.flip(store.detach("s", 1, 1000)), { _tag: "Fenced", generation: 1, gone: true })
      assert.deepStrictEqual(yield* store.attach(request), { _tag: "Gone", tombstone: { _tag: "Expired" } })
    })
  )

  it.scoped("sweeps by itself", () =>
    Effect.gen(function* () {
      const store = yield* Store
      yield* store.create(session)
      yield* store.detach("s", 1, 1000)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* store.size, 0)
    }).pipe(Effect.provide(SessionStore.layerMemory()))
  )
})
