import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Broker, type Session } from "holdfast"
import { makeGateway } from "../support/topics.js"
import { makeClient, settle, World } from "../support/virtual.js"

describe("A session, as an application has it", () => {
  it.scoped("shows nothing of the inside, and is the same wherever it comes from", () =>
    Effect.gen(function* () {
      const seen: Record<string, Session.Session<unknown>> = {}
      const see = (name: string) => (session: Session.Session<unknown>) =>
        Effect.sync(() => {
          seen[name] = session
        })
      const gateway = yield* makeGateway(undefined, {
        onOpen: see("onOpen"),
        onMessage: (_, session) => see("onMessage")(session),
        onClose: see("onClose")
      })
      const client = yield* makeClient()
      yield* client.send("hello")
      yield* settle
      const [listed] = yield* gateway.sessions
      const found = yield* gateway.session(listed?.id ?? "")
      yield* client.close
      yield* settle
      assert.sameMembers(Object.keys(seen), ["onOpen", "onMessage", "onClose"])
      for (const session of [...Object.values(seen), found]) {
        assert.strictEqual(session, listed)
        assert.deepStrictEqual(Object.keys(session), ["id"])
        assert.strictEqual(inspect(session, { depth: 5 }), `SessionHandle { id: '${session.id}' }`)
      }
    }).pipe(Effect.provide(Layer.merge(World, Broker.layerMemory())))
  )
})
