/** Laws of `watch` and `find`: what is known of sessions, wherever they live. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Loss, Watcher } from "../../../session/SessionStore.js"
import { expectSame } from "../expect.js"
import { banned, law, messages, type Service, type StoreBench } from "./storeBench.js"

/** A watcher that remembers, and compares as an implementation's user would: what is said twice is said once. */
class Eyes implements Watcher {
  private readonly seen = new Map<string, { readonly generation: number; readonly loss: Loss }>()
  private readonly mailed = new Set<string>()

  readonly lost = (id: string, generation: number, loss: Loss): void => {
    const known = this.seen.get(id)
    if (known === undefined || generation >= known.generation) this.seen.set(id, { generation, loss })
  }
  readonly mail = (id: string): void => void this.mailed.add(id)

  /** The newest generation that was lost, and how. */
  of(id: string): unknown {
    return this.seen.get(id)
  }

  hasLost(id: string, generation: number, tag: Loss["_tag"]): boolean {
    const known = this.seen.get(id)
    return known !== undefined && known.generation >= generation && known.loss._tag === tag
  }

  hasMail(id: string): boolean {
    return this.mailed.has(id)
  }
}

const watching = (on: Service) => {
  const eyes = new Eyes()
  return Effect.as(on.watch(eyes), eyes)
}

const post = (t: StoreBench, id: string, key = "key") =>
  t.other.post(id, { key, payload: '"mail"' }, { messages: 10, bytes: 1000 })

export const watched = [
  law("watch: tells an owner that another node has taken over, and not that the newest owner is lost", (t) =>
    Effect.gen(function* () {
      const first = yield* watching(t.one)
      const second = yield* watching(t.other)
      const id = yield* t.create()
      yield* t.attached("attach by the other node")
      yield* t.bench.until("that the owner hears of a takeover", () => first.hasLost(id, 1, "TakenOver"))
      yield* expectSame("what was lost", first.of(id), { generation: 1, loss: { _tag: "TakenOver" } })
      yield* t.attached("attach by the first node", { nextSecretHash: "h3" }, t.one)
      yield* t.bench.until("that the next owner hears of a takeover", () => second.hasLost(id, 2, "TakenOver"))
      yield* expectSame("what was lost", second.of(id), { generation: 2, loss: { _tag: "TakenOver" } })
    })
  ),

  law("watch: tells an owner that its session was revoked, with the tombstone", (t) =>
    Effect.gen(function* () {
      const first = yield* watching(t.one)
      const second = yield* watching(t.other)
      const created = yield* t.create({ id: t.id("created") })
      const attached = yield* t.create({ id: t.id("attached") })
      const bobs = yield* t.create({ id: t.id("bobs"), principal: t.bob })
      yield* t.attached("attach by the other node", { id: attached })
      yield* t.other.revoke({ principal: t.ann }, banned)
      yield* t.bench.until("that the owner hears of it", () => first.hasLost(created, 1, "Removed"))
      yield* expectSame("what it hears", first.of(created), {
        generation: 1,
        loss: { _tag: "Removed", tombstone: banned }
      })
      yield* t.bench.until("that the other owner hears of it", () => second.hasLost(attached, 2, "Removed"))
      yield* expectSame("what that hears", second.of(attached), {
        generation: 2,
        loss: { _tag: "Removed", tombstone: banned }
      })
      yield* t.other.revoke({ session: bobs }, { _tag: "Ended", reason: 'you: {"漢"}', final: true })
      yield* t.bench.until("that the owner hears of a session's end", () => first.hasLost(bobs, 1, "Removed"))
      yield* expectSame("what it hears", first.of(bobs), {
        generation: 1,
        loss: { _tag: "Removed", tombstone: { _tag: "Ended", reason: 'you: {"漢"}', final: true } }
      })
    })
  ),

  law("watch: tells the owner of mail, whichever node that is", (t) =>
    Effect.gen(function* () {
      const first = yield* watching(t.one)
      const id = yield* t.create()
      yield* post(t, id)
      yield* t.bench.until("that the owner hears of mail", () => first.hasMail(id))
      yield* t.attached("attach by the other node")
      const second = yield* watching(t.other)
      yield* post(t, id, "another key")
      yield* t.bench.until("that the next owner hears of mail", () => second.hasMail(id))
    })
  ),

  law("watch: tells each watcher until its scope closes, and nobody after that", (t) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const gone = yield* Scope.extend(watching(t.one), scope)
      const here = yield* watching(t.one)
      const before = yield* t.create({ id: t.id("before") })
      const after = yield* t.create({ id: t.id("after") })
      yield* t.attached("attach by the other node", { id: before })
      yield* t.bench.until("that both hear of it", () => [gone, here].every((eyes) => eyes.of(before) !== undefined))
      yield* Scope.close(scope, Exit.void)
      yield* t.attached("attach of another session", { id: after })
      yield* post(t, after)
      yield* t.bench.until("that the other one hears of it", () => here.of(after) !== undefined)
      yield* expectSame("what the first one hears of it", gone.of(after), undefined)
    })
  ),

  law("find: knows the sessions that are kept, wherever they live, and no tombstones", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      const bobs = yield* t.create({ id: t.id("bobs"), principal: t.bob, subprotocol: "holdfast.v1.msgpack" })
      const ann = { principal: t.ann, subprotocol: "holdfast.v1.json" }
      const bob = { principal: t.bob, subprotocol: "holdfast.v1.msgpack" }
      yield* expectSame("a session", yield* t.other.find(id), ann)
      yield* expectSame("another", yield* t.one.find(bobs), bob)
      yield* t.attached("attach")
      yield* t.other.append(id, 2, messages(1, 2))
      yield* t.other.detach(id, 2, t.millis(30))
      yield* expectSame("one that is detached", yield* t.one.find(id), ann)
      yield* t.one.detach(bobs, 1, t.millis(1))
      const removed = yield* t.create({ id: t.id("removed") })
      yield* t.one.remove(removed, 1, banned)
      const revoked = yield* t.create({ id: t.id("revoked") })
      yield* t.one.revoke({ session: revoked }, banned)
      yield* t.pass(2)
      yield* expectSame("one that has expired", yield* t.other.find(bobs), undefined)
      yield* expectSame("one that was removed", yield* t.other.find(removed), undefined)
      yield* expectSame("one that was revoked", yield* t.other.find(revoked), undefined)
      yield* expectSame("one that never was", yield* t.other.find(t.id("nobody")), undefined)
    })
  )
]
