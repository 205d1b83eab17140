/** Laws of orders: to which sessions of a principal they are left, and that each is told from a message. */
import * as Effect from "effect/Effect"
import { expectSame } from "../expect.js"
import { banned, law, type StoreBench } from "./storeBench.js"

const expectSessions = (t: StoreBench, did: string, principal: string, ids: ReadonlyArray<string>) =>
  Effect.forEach([t.one, t.other], (store) =>
    Effect.flatMap(store.sessionsOf(principal), (found) =>
      expectSame(`the sessions of a principal, ${did}`, [...found].sort(), [...ids].sort())
    )
  )

const roomy = { messages: 10, bytes: 1000 }

export const ordering = [
  law("sessionsOf: all of a principal that are kept, attached or not, and nobody else's", (t) =>
    Effect.gen(function* () {
      yield* expectSessions(t, "who has none", t.ann, [])
      const here = yield* t.create({ id: t.id("here") })
      const away = yield* t.create({ id: t.id("away") })
      yield* t.create({ id: t.id("longer"), principal: `${t.ann}2` })
      yield* t.one.detach(away, 1, t.millis(30))
      yield* expectSessions(t, "one of two away", t.ann, [here, away])
      yield* t.one.remove(here, 1, { _tag: "Overflow" })
      yield* expectSessions(t, "one of two removed", t.ann, [away])
      yield* t.other.revoke({ principal: t.ann }, banned)
      yield* expectSessions(t, "all revoked", t.ann, [])
    })
  ),

  law("post: an order is told from a message, in its place among them", (t) =>
    Effect.gen(function* () {
      const id = yield* t.create()
      const post = (number: number, isOrder?: boolean) =>
        t.one.post(
          id,
          { key: `key ${number}`, payload: `"mail ${number}"`, ...(isOrder === undefined ? {} : { isOrder }) },
          roomy
        )
      yield* post(1)
      yield* post(2, true)
      yield* post(3, false)
      const expected = [1, 2, 3].map((number) => ({ number, payload: `"mail ${number}"`, isOrder: number === 2 }))
      yield* expectSame("the mail that collect gives", yield* t.other.collect(id, 1, 0), expected)
      yield* t.one.acknowledge(id, 1, { acked: 0, processed: 0, mail: 1 })
      const session = yield* t.attached("attach")
      yield* expectSame("the mail that attach gives", session.mail, expected.slice(1))
    })
  )
]
