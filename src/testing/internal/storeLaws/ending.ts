/** Laws of `detach`, `remove` and `expire`: how a session ends, and what is said of it then. */
import * as Effect from "effect/Effect"
import type { Tombstone } from "../../../session/SessionStore.js"
import { expectFailure, expectSame, expectThat } from "../expect.js"
import { banned, exactLaw, law, messages } from "./storeBench.js"

const expired = { _tag: "Gone", tombstone: { _tag: "Expired" } } as const

export const ending = [
  exactLaw("detach: the session is there at the last millisecond of its window, and expired at the next", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* t.one.detach(id, 1, t.millis(1))
      yield* t.pass(1)
      yield* t.one.expire
      yield* t.attached("attach at the window's last millisecond")
      yield* t.pass(5)
      yield* t.one.append(id, 2, messages(1, 1))
      yield* t.one.detach(id, 2, t.millis(1))
      yield* t.pass(1, 1)
      yield* t.expectAnswer("attach one millisecond after the window", expired, { secretHash: "h2" })
    })
  ),

  exactLaw("detach: a window of 0 is over at the next millisecond", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* t.one.detach(id, 1, 0)
      yield* t.attached("attach in the same millisecond")
      yield* t.one.detach(id, 2, 0)
      yield* t.pass(0, 1)
      yield* t.expectAnswer("attach in the next one", expired, { secretHash: "h2" })
    })
  ),

  law("detach: a session that is not attached again within its window is Gone, as Expired", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* t.one.append(id, 1, messages(1, 2))
      yield* t.one.detach(id, 1, t.millis(1))
      yield* t.pass(2)
      yield* t.expectAnswer("attach, 2 units after a detach for 1", expired)
      yield* t.expectAnswer("attach once more", expired)
      yield* t.expectFenced("which has expired", t.one, id, 1, true)
    })
  ),

  law("detach: within its window a session is as it was, and is attached as ever", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* t.one.append(id, 1, messages(1, 2))
      yield* t.one.detach(id, 1, t.millis(10))
      yield* t.one.append(id, 1, messages(3, 3))
      yield* t.one.acknowledge(id, 1, { acked: 1, processed: 4 })
      yield* t.pass(1)
      yield* t.one.expire
      const session = yield* t.attached("attach, 1 unit after a detach for 10")
      yield* expectSame("acked, sent and processed", [session.acked, session.sent, session.processed], [1, 3, 4])
      yield* expectSame("the messages", session.outbound, messages(2, 3))
      yield* t.expectFenced("when generation 2 was attached", t.one, id, 1, false)
    })
  ),

  law("detach: the window ends with the next attach, and counts again from the next detach", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* t.one.detach(id, 1, t.millis(4))
      yield* t.attached("attach at once, after a detach for 4 units")
      yield* t.pass(5)
      yield* t.one.expire
      yield* t.other.append(id, 2, messages(1, 1))
      yield* t.other.detach(id, 2, t.millis(1))
      yield* t.other.detach(id, 2, t.millis(20))
      yield* t.pass(2)
      yield* t.one.expire
      yield* t.attached("attach, 2 units after a detach for 1 and one more for 20", { secretHash: "h2" })
    })
  ),

  law("detach: what has expired is gone: its owner does not bring it back", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* t.one.detach(id, 1, t.millis(1))
      yield* t.pass(2)
      const gone = { _tag: "Fenced", id, generation: 1, gone: true }
      yield* expectFailure("a second detach, 2 units after one for 1", t.one.detach(id, 1, t.millis(10)), gone)
      yield* t.expectAnswer("attach after it", expired)
    })
  ),

  law("remove: without a tombstone the session is Unknown, with one it is Gone and says why", (t) =>
    Effect.gen(function* () {
      const forgotten = yield* t.create({ id: t.id("forgotten") })
      yield* t.other.remove(forgotten, 1)
      yield* t.expectAnswer("attach after a remove without a tombstone", { _tag: "Unknown" }, { id: forgotten })
      yield* t.expectFenced("which was removed", t.one, forgotten, 1, true)
      const tombstones: ReadonlyArray<Tombstone> = [
        { _tag: "Expired" },
        { _tag: "Overflow" },
        { _tag: "Ended", reason: "", final: true },
        { _tag: "Ended", reason: "", final: false },
        { _tag: "Ended", reason: 'you were {"banned"}: 漢字 😀', final: true }
      ]
      for (const [i, tombstone] of tombstones.entries()) {
        const id = yield* t.create({ id: t.id(`gone ${i}`) })
        yield* t.one.append(id, 1, messages(1, 2))
        yield* t.one.remove(id, 1, tombstone)
        yield* t.expectAnswer("attach after a remove", { _tag: "Gone", tombstone }, { id })
        yield* t.expectAnswer("attach once more", { _tag: "Gone", tombstone }, { id })
        yield* t.expectFenced("which was removed", t.other, id, 1, true)
      }
    })
  ),

  law("every operation on a session that never was is Fenced, as gone", (t) =>
    Effect.gen(function* () {
      yield* t.expectFenced("of a session that never was", t.one, t.id("nobody"), 1, true)
      yield* t.expectAnswer("attach after all of them", { _tag: "Unknown" }, { id: t.id("nobody") })
    })
  ),

  law("attach: what is gone tells why to its owner alone: to others it is a Mismatch, as it was while it lived", (t) =>
    Effect.gen(function* () {
      const removed = yield* t.create({ id: t.id("removed") })
      yield* t.attached("attach", { id: removed })
      const expiring = yield* t.create({ id: t.id("expired") })
      yield* t.one.detach(expiring, 1, t.millis(1))
      const revoked = yield* t.create({ id: t.id("revoked") })
      yield* t.one.remove(removed, 2, banned)
      yield* t.one.revoke({ session: revoked }, banned)
      yield* t.pass(2)
      for (const id of [removed, expiring, revoked]) {
        const answer = id === expiring ? expired : ({ _tag: "Gone", tombstone: banned } as const)
        yield* t.expectAnswer("a guess at what is gone", { _tag: "Mismatch" }, { id, secretHash: "guess" })
        yield* t.expectAnswer("bob's attach of what is gone", { _tag: "Mismatch" }, { id, principal: t.bob })
        yield* t.expectAnswer("the owner's attach of what is gone", answer, { id })
      }
      // Both secrets are the owner's, as long as the older one was not confirmed away.
      const current = { id: removed, secretHash: "h2" }
      yield* t.expectAnswer("attach with the current secret", { _tag: "Gone", tombstone: banned }, current)
    })
  ),

  law("expire: turns what is over into tombstones, says how many (or 0), and touches nothing else", (t) =>
    Effect.gen(function* () {
      yield* t.one.expire
      const over = yield* t.create({ id: t.id("over") })
      const attached = yield* t.create({ id: t.id("attached") })
      const waiting = yield* t.create({ id: t.id("waiting") })
      yield* t.one.detach(over, 1, t.millis(1))
      yield* t.one.detach(waiting, 1, t.millis(30))
      yield* t.pass(2)
      const counts = yield* Effect.all([t.one.expire, t.other.expire, t.one.expire], { concurrency: "unbounded" })
      const total = counts.reduce((sum, count) => sum + count, 0)
      if (t.bench.isAlone) {
        yield* expectThat("how many 3 calls of expire told", total === 0 || total === 1, "1 in all, or none", counts)
      }
      yield* t.expectAnswer("attach of the one that was over", expired, { id: over })
      yield* t.attached("attach of the one that was attached", { id: attached })
      yield* t.attached("attach of the one whose window goes on", { id: waiting })
    })
  ),

  law("size: counts the sessions that are kept, and no tombstones", (t) =>
    Effect.gen(function* () {
      yield* t.one.expire
      const before = yield* t.one.size
      const expectSize = (did: string, more: number) =>
        Effect.flatMap(t.other.size, (size) =>
          t.bench.isAlone
            ? expectSame(`size, compared with before, ${did}`, size - before, more)
            : expectThat(`size ${did}`, size >= more, `at least ${more}`, size)
        )
      const ids = [0, 1, 2, 3, 4].map((i) => t.id(`${i}`))
      for (const id of ids) yield* t.create({ id })
      yield* expectSize("after 5 creates", 5)
      yield* t.attached("attach", { id: t.id("0") })
      yield* t.one.detach(t.id("4"), 1, t.millis(3))
      yield* t.pass(1)
      yield* expectSize("after an attach and a detach", 5)
      yield* t.pass(3)
      yield* t.one.expire
      yield* expectSize("after one expired", 4)
      yield* t.one.remove(t.id("1"), 1)
      yield* t.one.remove(t.id("2"), 1, banned)
      yield* expectSize("after 2 removes", 2)
      yield* t.one.revoke({ session: t.id("3") }, banned)
      yield* expectSize("after a revoke", 1)
    })
  )
]
