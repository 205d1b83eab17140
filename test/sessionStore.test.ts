import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, TestClock } from "effect"
import { SessionStore } from "holdfast"

const { SessionStore: Store } = SessionStore

const session = { id: "s", principal: "ann", subprotocol: "holdfast.v1.json", secretHash: "h1" } as const
let attempts = 0
/** A request to attach, later than all before. */
const attaching = (change?: Partial<typeof request>) => ({ ...request, ...change, attempt: ++attempts })
const request = { id: "s", principal: "ann", secretHash: "h1", nextSecretHash: "h2", attempt: 0 }
const message = (seq: number) => ({ seq, payload: `"${seq}"`, confirm: false })

/** The laws of a SessionStore, for any implementation. */
const laws = (name: string, layer: Layer.Layer<SessionStore.SessionStore>) =>
  describe(`SessionStore: ${name}`, () => {
    const law = (text: string, body: (store: SessionStore.SessionStore["Type"]) => Effect.Effect<unknown, unknown>) =>
      it.effect(text, () => Effect.flatMap(Store, body).pipe(Effect.provide(layer)))

    law("attaching raises the generation by one, and gives back what was stored", (store) =>
      Effect.gen(function* () {
        yield* store.create(session)
        yield* store.append("s", 1, [message(1), message(2)])
        yield* store.append("s", 1, [message(3)])
        yield* store.acknowledge("s", 1, { acked: 1, processed: 7 })
        const attached = yield* store.attach(attaching())
        assert.deepStrictEqual(attached, {
          _tag: "Attached",
          session: {
            id: "s",
            generation: 2,
            principal: "ann",
            subprotocol: "holdfast.v1.json",
            sent: 3,
            acked: 1,
            processed: 7,
            outbound: [message(2), message(3)]
          }
        })
      })
    )

    law("an owner of an older generation can change nothing", (store) =>
      Effect.gen(function* () {
        yield* store.create(session)
        yield* store.attach(attaching())
        for (const operation of [
          store.append("s", 1, [message(1)]),
          store.acknowledge("s", 1, { acked: 0, processed: 1 }),
          store.confirm("s", 1),
          store.detach("s", 1, 1000),
          store.remove("s", 1)
        ]) {
          assert.deepInclude(yield* Effect.flip(operation), { _tag: "Fenced", id: "s", generation: 1, gone: false })
        }
        const attached = yield* store.attach(attaching({ secretHash: "h2", nextSecretHash: "h3" }))
        assert.deepInclude(attached._tag === "Attached" ? attached.session : {}, {
          sent: 0,
          processed: 0,
          generation: 3
        })
      })
    )

    law("the secret before stays valid until the current one is confirmed", (store) =>
      Effect.gen(function* () {
        yield* store.create(session)
        yield* store.attach(attaching())
        const again = yield* store.attach(attaching({ nextSecretHash: "h3" }))
        assert.strictEqual(again._tag, "Attached", "the welcome with h2 was lost")
        assert.strictEqual((yield* store.attach(attaching({ secretHash: "h2" })))._tag, "Mismatch", "h2 never arrived")
        yield* store.confirm("s", 3)
        assert.strictEqual((yield* store.attach(attaching()))._tag, "Mismatch")
        assert.strictEqual((yield* store.attach(attaching({ secretHash: "h3" })))._tag, "Attached")
      })
    )

    law("an append that is tried again is appended once", (store) =>
      Effect.gen(function* () {
        yield* store.create(session)
        yield* store.append("s", 1, [message(1), message(2)])
        yield* store.append("s", 1, [message(1), message(2), message(3)])
        const attached = yield* store.attach(attaching())
        assert.deepStrictEqual(attached._tag === "Attached" ? attached.session.outbound : [], [
          message(1),
          message(2),
          message(3)
        ])
      })
    )

    law("an attempt older than one that has attached is refused, and changes nothing", (store) =>
      Effect.gen(function* () {
        yield* store.create(session)
        assert.strictEqual((yield* store.attach({ ...request, attempt: 7 }))._tag, "Attached")
        for (const attempt of [6, 7]) {
          assert.strictEqual((yield* store.attach({ ...request, attempt, nextSecretHash: "late" }))._tag, "Superseded")
        }
        yield* store.append("s", 2, [message(1)])
        const next = yield* store.attach({ ...request, secretHash: "h2", attempt: 8 })
        assert.strictEqual(next._tag, "Attached")
      })
    )

    law("a wrong secret or another principal does not attach, and changes nothing", (store) =>
      Effect.gen(function* () {
        yield* store.create(session)
        assert.strictEqual((yield* store.attach(attaching({ secretHash: "guess" })))._tag, "Mismatch")
        assert.strictEqual((yield* store.attach(attaching({ principal: "bob" })))._tag, "Mismatch")
        yield* store.append("s", 1, [message(1)])
      })
    )

    law("what was acknowledged does not come back", (store) =>
      Effect.gen(function* () {
        yield* store.create(session)
        yield* store.append("s", 1, [message(1), message(2)])
        yield* store.acknowledge("s", 1, { acked: 2, processed: 5 })
        yield* store.acknowledge("s", 1, { acked: 1, processed: 4 })
        const attached = yield* store.attach(attaching())
        assert.deepInclude(attached._tag === "Attached" ? attached.session : {}, {
          acked: 2,
          processed: 5,
          outbound: []
        })
      })
    )

    law("a detached session is there at the last millisecond of its window, and expired at the next", (store) =>
      Effect.gen(function* () {
        yield* store.create(session)
        yield* store.detach("s", 1, 1000)
        yield* TestClock.adjust(1000)
        assert.strictEqual((yield* store.attach(attaching()))._tag, "Attached")
        yield* TestClock.adjust(5000)
        yield* store.append("s", 2, [message(1)])
        yield* store.detach("s", 2, 1000)
        yield* TestClock.adjust(1001)
        const late = yield* store.attach(attaching({ secretHash: "h2" }))
        assert.deepStrictEqual(late, { _tag: "Gone", tombstone: { _tag: "Expired" } })
      })
    )

    law("expire turns what is over into tombstones, and counts them", (store) =>
      Effect.gen(function* () {
        yield* store.create(session)
        yield* store.create({ ...session, id: "other" })
        yield* store.detach("s", 1, 1000)
        yield* TestClock.adjust(1001)
        yield* store.expire
        assert.strictEqual(yield* store.size, 1)
        assert.strictEqual((yield* store.attach(attaching()))._tag, "Gone")
        assert.strictEqual((yield* store.attach(attaching({ id: "other" })))._tag, "Attached")
      })
    )

    law(
      "what is gone tells why to nobody but its owner: to others it is a Mismatch, as it was while it lived",
      (store) =>
        Effect.gen(function* () {
          yield* store.create(session)
          yield* store.attach(attaching())
          yield* store.create({ ...session, id: "expired" })
          yield* store.detach("expired", 1, 1000)
          yield* store.create({ ...session, id: "revoked" })
          yield* store.remove("s", 2, { _tag: "Ended", reason: "banned" })
          yield* store.revoke({ session: "revoked" }, { _tag: "Ended", reason: "banned" })
          yield* TestClock.adjust(1001)
          for (const id of ["s", "expired", "revoked"]) {
            assert.deepStrictEqual(yield* store.attach(attaching({ id, secretHash: "guess" })), { _tag: "Mismatch" })
            assert.deepStrictEqual(yield* store.attach(attaching({ id, principal: "bob" })), { _tag: "Mismatch" })
            assert.strictEqual((yield* store.attach(attaching({ id })))._tag, "Gone")
          }
          // Both secrets are the owner's, as long as the older one was not confirmed away.
          assert.strictEqual((yield* store.attach(attaching({ secretHash: "h2" })))._tag, "Gone")
        })
    )

    law("revoke removes a session whatever generation owns it, and its owner can change nothing any more", (store) =>
      Effect.gen(function* () {
        yield* store.create(session)
        yield* store.attach(attaching())
        yield* store.create({ ...session, id: "other" })
        assert.strictEqual(yield* store.revoke({ session: "s" }, { _tag: "Ended", reason: "banned" }), 1)
        assert.strictEqual(yield* store.size, 1)
        for (const operation of [
          store.append("s", 2, [message(1)]),
          store.acknowledge("s", 2, { acked: 0, processed: 1 }),
          store.confirm("s", 2),
          store.detach("s", 2, 1000),
          store.remove("s", 2)
        ]) {
          assert.deepInclude(yield* Effect.flip(operation), { _tag: "Fenced", id: "s", generation: 2, gone: true })
        }
        assert.deepStrictEqual(yield* store.attach(attaching()), {
          _tag: "Gone",
          tombstone: { _tag: "Ended", reason: "banned" }
        })
        assert.strictEqual((yield* store.attach(attaching({ id: "other" })))._tag, "Attached")
        assert.strictEqual(yield* store.revoke({ session: "s" }, { _tag: "Expired" }), 0)
        assert.strictEqual(yield* store.revoke({ session: "unknown" }, { _tag: "Expired" }), 0)
      })
    )

    law("revoke removes all of a principal, attached or detached, and nobody else's", (store) =>
      Effect.gen(function* () {
        yield* store.create(session)
        yield* store.create({ ...session, id: "away" })
        yield* store.detach("away", 1, 1000)
        yield* store.create({ ...session, id: "bobs", principal: "bob" })
        assert.strictEqual(yield* store.revoke({ principal: "ann" }, { _tag: "Ended", reason: "banned" }), 2)
        assert.strictEqual(yield* store.size, 1)
        for (const id of ["s", "away"]) {
          assert.deepStrictEqual(yield* store.attach(attaching({ id })), {
            _tag: "Gone",
            tombstone: { _tag: "Ended", reason: "banned" }
          })
        }
        assert.strictEqual((yield* store.attach(attaching({ id: "bobs", principal: "bob" })))._tag, "Attached")
        assert.strictEqual(yield* store.revoke({ principal: "ann" }, { _tag: "Expired" }), 0)
        yield* store.create({ ...session, id: "later" })
        assert.strictEqual((yield* store.attach(attaching({ id: "later" })))._tag, "Attached")
      })
    )

    law("revoke does not count what had expired, which stays expired", (store) =>
      Effect.gen(function* () {
        yield* store.create(session)
        yield* store.detach("s", 1, 1000)
        yield* store.create({ ...session, id: "last" })
        yield* store.detach("last", 1, 1001)
        yield* TestClock.adjust(1001)
        assert.strictEqual(yield* store.revoke({ principal: "ann" }, { _tag: "Ended", reason: "banned" }), 1)
        assert.deepStrictEqual(yield* store.attach(attaching()), { _tag: "Gone", tombstone: { _tag: "Expired" } })
        assert.strictEqual((yield* store.attach(attaching({ id: "last" })))._tag, "Gone")
      })
    )

    law("a removed session is unknown, or tells why it is gone", (store) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* store.attach(attaching()))._tag, "Unknown")
        yield* store.create(session)
        yield* store.remove("s", 1)
        assert.strictEqual((yield* store.attach(attaching()))._tag, "Unknown")
        yield* store.create(session)
        yield* store.remove("s", 1, { _tag: "Ended", reason: "banned" })
        assert.deepStrictEqual(yield* store.attach(attaching()), {
          _tag: "Gone",
          tombstone: { _tag: "Ended", reason: "banned" }
        })
        assert.strictEqual(yield* store.size, 0)
      })
    )
  })

laws("memory", Layer.effect(Store, SessionStore.makeMemory()))

describe("SessionStore.makeMemory", () => {
  it.effect("keeps no more tombstones than it is told", () =>
    Effect.gen(function* () {
      const store = yield* SessionStore.makeMemory({ maxTombstones: 2 })
      for (const id of ["a", "b", "c"]) {
        yield* store.create({ ...session, id })
        yield* store.remove(id, 1, { _tag: "Expired" })
      }
      const tags = yield* Effect.forEach(["a", "b", "c"], (id) =>
        Effect.map(store.attach(attaching({ id })), (a) => a._tag)
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
      assert.deepStrictEqual(yield* store.attach(attaching()), { _tag: "Gone", tombstone: { _tag: "Expired" } })
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
