/** Laws of `revoke`. */
import * as Effect from "effect/Effect"
import { expectSame } from "../expect.js"
import { banned, exactLaw, law, messages, type StoreBench } from "./storeBench.js"

const gone = { _tag: "Gone", tombstone: banned } as const

const expectRevoked = (t: StoreBench, did: string, target: Parameters<StoreBench["one"]["revoke"]>[0], count: number) =>
  Effect.flatMap(t.one.revoke(target, banned), (actual) => expectSame(`how many revoke removed, ${did}`, actual, count))

export const revoking = [
  law("revoke: removes a session whatever generation owns it, and its owner can change nothing any more", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* t.attached("attach")
      yield* t.other.append(id, 2, messages(1, 2))
      const other = yield* t.create({ id: t.id("other") })
      yield* expectRevoked(t, "of one session", { session: id }, 1)
      yield* t.expectFenced("which was revoked", t.other, id, 2, true)
      yield* t.expectFenced("which was revoked", t.other, id, 1, true)
      yield* t.expectAnswer("attach of what was revoked", gone)
      yield* t.attached("attach of the principal's other session", { id: other })
      const again = yield* t.one.revoke({ session: id }, { _tag: "Expired" })
      yield* expectSame("how many a second revoke removed", again, 0)
      yield* t.expectAnswer("attach after a second revoke, with another tombstone", gone)
      yield* expectRevoked(t, "of a session that never was", { session: t.id("nobody") }, 0)
    })
  ),

  law("revoke: removes all of a principal, attached or detached, and nobody else's", (t) =>
    Effect.gen(function* () {
      const here = yield* t.create({ id: t.id("here") })
      const away = yield* t.create({ id: t.id("away") })
      yield* t.one.detach(away, 1, t.millis(30))
      const removed = yield* t.create({ id: t.id("removed") })
      yield* t.one.remove(removed, 1, { _tag: "Overflow" })
      const bobs = yield* t.create({ id: t.id("bobs"), principal: t.bob })
      yield* expectRevoked(t, "of a principal with two sessions", { principal: t.ann }, 2)
      yield* t.expectAnswer("attach of the attached one", gone, { id: here })
      yield* t.expectAnswer("attach of the detached one", gone, { id: away })
      const overflow = { _tag: "Gone", tombstone: { _tag: "Overflow" } } as const
      yield* t.expectAnswer("attach of one that was removed before", overflow, { id: removed })
      yield* t.attached("bob's attach", { id: bobs, principal: t.bob })
      yield* expectRevoked(t, "of the principal once more", { principal: t.ann }, 0)
      const later = yield* t.create({ id: t.id("later") })
      yield* t.attached("attach of a session made since", { id: later })
    })
  ),

  law("revoke: a session is no principal, a principal no session, and neither is a pattern", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      const longer = yield* t.create({ id: `${id}2`, principal: `${t.ann}2` })
      yield* expectRevoked(t, "of the session's id as a principal", { principal: id }, 0)
      yield* expectRevoked(t, "of the principal as a session's id", { session: t.ann }, 0)
      yield* expectRevoked(t, "of a pattern", { principal: `${t.ann.slice(0, -1)}*` }, 0)
      yield* expectRevoked(t, "of a pattern", { session: `${id.slice(0, -1)}?` }, 0)
      yield* expectRevoked(t, "of a principal that begins another's name", { principal: t.ann }, 1)
      yield* t.attached("attach of the other's", { id: longer, principal: `${t.ann}2` })
    })
  ),

  exactLaw("revoke: does not count what expired a millisecond ago, which stays expired", (t) =>
    Effect.gen(function* () {
      const over = yield* t.create({ id: t.id("over") })
      yield* t.one.detach(over, 1, t.millis(1))
      const last = yield* t.create({ id: t.id("last") })
      yield* t.one.detach(last, 1, t.millis(1) + 1)
      yield* t.pass(1, 1)
      yield* expectRevoked(t, "one of the two had expired", { principal: t.ann }, 1)
      const expired = { _tag: "Gone", tombstone: { _tag: "Expired" } } as const
      yield* t.expectAnswer("attach of the one that had expired", expired, { id: over })
      yield* t.expectAnswer("attach of the one that was revoked", gone, { id: last })
    })
  ),

  law("revoke: does not count what had expired, which stays expired", (t) =>
    Effect.gen(function* () {
      const over = yield* t.create({ id: t.id("over") })
      yield* t.one.detach(over, 1, t.millis(1))
      const waiting = yield* t.create({ id: t.id("waiting") })
      yield* t.one.detach(waiting, 1, t.millis(30))
      yield* t.pass(2)
      yield* expectRevoked(t, "one of the two had expired", { principal: t.ann }, 1)
      const expired = { _tag: "Gone", tombstone: { _tag: "Expired" } } as const
      yield* t.expectAnswer("attach of the one that had expired", expired, { id: over })
      yield* t.expectAnswer("attach of the one that was revoked", gone, { id: waiting })
    })
  )
]
