/** Laws of `create`, `attach` and `confirm`: what is kept, and who gets it. */
import * as Effect from "effect/Effect"
import { expectSame } from "../expect.js"
import { oddNames } from "../oddNames.js"
import { banned, law, messages } from "./storeBench.js"

export const attaching = [
  law("create: a new session is of generation 1, attached, and holds nothing", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create({ subprotocol: "holdfast.v1.msgpack" })
      yield* t.expectFenced("of which the store knows nothing: it lost that", t.other, id, 2, true)
      yield* t.other.acknowledge(id, 1, { acked: 0, processed: 0 })
      yield* t.pass(3)
      yield* t.one.expire
      const session = yield* t.attached("attach, 3 units of time after create, which gave no window")
      yield* expectSame("what attach gives back", session, {
        id,
        generation: 2,
        principal: t.ann,
        subprotocol: "holdfast.v1.msgpack",
        sent: 0,
        acked: 0,
        processed: 0,
        outbound: [],
        mail: [],
        refused: [],
        invitations: []
      })
    })
  ),

  law("create: ids, principals and hashes are opaque text, and no two sessions mix", (t) =>
    Effect.gen(function* () {
      const own = t.id("-")
      const sessions = oddNames.map((name, i) => ({
        id: `${name}${own}`,
        principal: `${own}${name}`,
        secretHash: `hash ${name}`,
        text: `${i}: `
      }))
      for (const { text, ...session } of sessions) {
        yield* t.create(session)
        yield* t.one.append(session.id, 1, messages(1, 2, text))
      }
      for (const { text, ...request } of sessions) {
        const session = yield* t.attached(`attach ${JSON.stringify(request.id)}`, request)
        yield* expectSame("its id", session.id, request.id)
        yield* expectSame("its principal", session.principal, request.principal)
        yield* expectSame("its messages", session.outbound, messages(1, 2, text))
      }
      for (const [i, { id, principal }] of sessions.entries()) {
        const target = i % 2 === 0 ? { principal } : { session: id }
        yield* expectSame(
          `how many revoke of ${JSON.stringify(target)} removed`,
          yield* t.one.revoke(target, banned),
          1
        )
      }
    })
  ),

  law("attach: raises the generation by one, and gives back what was stored", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* t.one.append(id, 1, messages(1, 2))
      yield* t.other.append(id, 1, messages(3, 3))
      yield* t.one.acknowledge(id, 1, { acked: 1, processed: 7 })
      yield* expectSame("what attach answers", yield* t.attach(), {
        _tag: "Attached",
        session: {
          id,
          generation: 2,
          principal: t.ann,
          subprotocol: "holdfast.v1.json",
          sent: 3,
          acked: 1,
          processed: 7,
          outbound: messages(2, 3),
          mail: [],
          refused: [],
          invitations: []
        }
      })
      const again = yield* t.attached("attach again, by the first node", { secretHash: "h2" }, t.one)
      yield* expectSame("the generation of the second attach", again.generation, 3)
      yield* expectSame("the messages of the second attach", again.outbound, messages(2, 3))
    })
  ),

  law("attach: what it gave back stays as it was, whatever becomes of the session", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* t.one.append(id, 1, messages(1, 3))
      const session = yield* t.attached("attach")
      yield* t.other.append(id, 2, messages(4, 5))
      yield* t.other.acknowledge(id, 2, { acked: 2, processed: 9 })
      yield* expectSame(
        "sent, acked, processed and messages of the attach before more was appended and acknowledged",
        [session.sent, session.acked, session.processed, session.outbound],
        [3, 0, 0, messages(1, 3)]
      )
    })
  ),

  law("attach: a session that never was is Unknown", (t) =>
    t.expectAnswer("attach of no session", { _tag: "Unknown" })
  ),

  law("attach: a wrong secret or another principal is a Mismatch, and changes nothing", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* t.expectAnswer("attach with a wrong secret", { _tag: "Mismatch" }, { secretHash: "guess" })
      yield* t.expectAnswer("attach with no secret", { _tag: "Mismatch" }, { secretHash: "" })
      yield* t.expectAnswer("attach by another principal", { _tag: "Mismatch" }, { principal: t.bob })
      yield* t.expectAnswer("attach with the next secret", { _tag: "Mismatch" }, { secretHash: "h2" })
      yield* t.one.append(id, 1, messages(1, 1))
      const session = yield* t.attached("attach as the owner, with an attempt that a Mismatch had", { attempt: 1 })
      yield* expectSame("the generation after attempts that were refused", session.generation, 2)
      yield* expectSame("the messages", session.outbound, messages(1, 1))
    })
  ),

  law("attach: the secret before stays valid until the current one is confirmed", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* t.attached("attach with h1, next h2")
      yield* t.attached("attach with h1 again, next h3: the welcome with h2 was lost", { nextSecretHash: "h3" })
      yield* t.expectAnswer("attach with h2, which never arrived", { _tag: "Mismatch" }, { secretHash: "h2" })
      yield* t.one.confirm(id, 3)
      yield* t.one.confirm(id, 3)
      yield* t.expectAnswer("attach with h1, after the confirm of h3", { _tag: "Mismatch" })
      yield* t.attached("attach with h3, the current one", { secretHash: "h3", nextSecretHash: "h4" })
    })
  ),

  law("attach: of all secrets only the current one and the one it was attached with are valid", (t) =>
    Effect.gen(function* () {
      yield* t.create()
      yield* t.attached("attach with h1, next h2")
      yield* t.attached("attach with h2, next h3", { secretHash: "h2", nextSecretHash: "h3" })
      yield* t.expectAnswer("attach with h1, two before the current one", { _tag: "Mismatch" })
      yield* t.attached("attach with h2, next h4", { secretHash: "h2", nextSecretHash: "h4" })
      yield* t.expectAnswer("attach with h3, which h4 replaced", { _tag: "Mismatch" }, { secretHash: "h3" })
      yield* t.attached("attach with h4", { secretHash: "h4", nextSecretHash: "h5" })
    })
  ),

  law("attach: an attempt that is not later than all before is Superseded, and changes nothing", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* t.attached("attach, attempt 7", { attempt: 7 })
      for (const attempt of [6, 7, 0]) {
        const late = { attempt, nextSecretHash: "late" }
        yield* t.expectAnswer(`attach, attempt ${attempt} after 7`, { _tag: "Superseded" }, late)
      }
      yield* t.one.append(id, 2, messages(1, 1))
      yield* t.expectAnswer("attach with a superseded one's secret", { _tag: "Mismatch" }, { secretHash: "late" })
      const session = yield* t.attached("attach, attempt 8", { secretHash: "h2", attempt: 8 })
      yield* expectSame("its generation", session.generation, 3)
    })
  ),

  law("attach: who is no owner hears Mismatch and not Superseded", (t) =>
    Effect.gen(function* () {
      yield* t.create()
      yield* t.attached("attach, attempt 7", { attempt: 7 })
      yield* t.expectAnswer("a guess, attempt 3 after 7", { _tag: "Mismatch" }, { attempt: 3, secretHash: "guess" })
      yield* t.expectAnswer("bob, attempt 3 after 7", { _tag: "Mismatch" }, { attempt: 3, principal: t.bob })
    })
  ),

  law("attach: without an attempt it is never Superseded, and the attempts before still count", (t) =>
    Effect.gen(function* () {
      yield* t.create()
      yield* t.attached("attach, attempt 7", { attempt: 7 })
      yield* t.attached("attach without an attempt", { secretHash: "h2", nextSecretHash: "h3", attempt: undefined })
      const again = { secretHash: "h3", nextSecretHash: "h4" }
      yield* t.expectAnswer("attach, attempt 7 again", { _tag: "Superseded" }, { ...again, attempt: 7 })
      const session = yield* t.attached("attach, attempt 8", { ...again, attempt: 8 })
      yield* expectSame("its generation", session.generation, 4)
    })
  ),

  law("attach, acknowledge: numbers up to 2^53 - 1 are exact", (t) =>
    Effect.gen(function* () {
      const most = Number.MAX_SAFE_INTEGER
      const id = yield* t.create()
      yield* t.one.acknowledge(id, 1, { acked: 0, processed: most - 1 })
      const first = yield* t.attached(`attach, attempt ${most - 1}`, { attempt: most - 1 })
      yield* expectSame("processed", first.processed, most - 1)
      yield* t.other.acknowledge(id, 2, { acked: 0, processed: most })
      const next = { secretHash: "h2", nextSecretHash: "h3" }
      const second = yield* t.attached(`attach, attempt ${most}`, { ...next, attempt: most })
      yield* expectSame("processed", second.processed, most)
      yield* t.expectAnswer(
        `attach, attempt ${most - 1} after ${most}`,
        { _tag: "Superseded" },
        { ...next, attempt: most - 1 }
      )
    })
  ),

  law("attach: takes a session over from its owner, which can change nothing any more", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      yield* t.attached("attach by another node")
      yield* t.expectFenced("when generation 2 was attached", t.one, id, 1, false)
      yield* t.expectFenced("asked of the node of generation 2", t.other, id, 1, false)
      yield* t.expectFenced("of which the store knows nothing: it lost that", t.one, id, 3, true)
      yield* t.pass(2)
      yield* t.one.expire
      // h1: the fenced confirm did not void it. Of the window of the fenced detach all was over.
      const session = yield* t.attached("attach with the secret before, after all that was fenced", {
        nextSecretHash: "h3"
      })
      yield* expectSame(
        "generation, sent, acked, processed and messages",
        [session.generation, session.sent, session.acked, session.processed, session.outbound],
        [3, 0, 0, 0, []]
      )
    })
  )
]
