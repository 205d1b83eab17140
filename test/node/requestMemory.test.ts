/** What a connection keeps of its upgrade request, as the garbage collector sees it. */
import * as v8 from "node:v8"
import * as vm from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Gateway, Listener, Messages } from "holdfast"
import { makeClient, World } from "../support.js"

v8.setFlagsFromString("--expose-gc")
const collectGarbage = vm.runInNewContext("gc") as () => void // what the flag above adds to new contexts

/** How many of four requests are still held while their clients are connected. */
const held = (expiresAt: number | undefined) =>
  Effect.gen(function* () {
    const requests: Array<WeakRef<object>> = []
    yield* Gateway.make({
      messages: Messages.json,
      authenticate: () => Effect.succeed({ id: "ann", expiresAt }),
      onMessage: () => Effect.void
    }).pipe(
      Effect.updateService(Listener.Listener, (listener) => ({
        ...listener,
        listen: (handler) =>
          listener.listen((incoming) => {
            const request = { ...incoming.request }
            requests.push(new WeakRef(request))
            handler({ ...incoming, request })
          })
      }))
    )
    for (let i = 0; i < 4; i++) yield* Effect.flatMap(makeClient(), (client) => client.ready)
    for (let i = 0; i < 3; i++) {
      yield* Effect.sleep(50)
      collectGarbage()
    }
    assert.lengthOf(requests, 4)
    return requests.filter((request) => request.deref() !== undefined).length
  }).pipe(Effect.scoped, Effect.provide(World))

describe("A connection", () => {
  it.live("does not hold on to its upgrade request", () =>
    Effect.map(held(undefined), (count) => assert.strictEqual(count, 0))
  )

  it.live("of a principal that expires does, to authenticate it again", () =>
    Effect.map(held(Date.now() + 3_600_000), (count) => assert.strictEqual(count, 4))
  )
})
