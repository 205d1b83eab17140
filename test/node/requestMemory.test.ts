/** What a connection keeps of its upgrade request, and who keeps a connection, as the garbage collector sees it. */
import * as v8 from "node:v8"
import * as vm from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Gateway, Listener, Messages } from "holdfast"
import { makeClient, World } from "../support/virtual.js"

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

/** Of five connections, four of which are gone while the gateway goes on: which are still held. */
const heldConnections = Effect.gen(function* () {
  const transports: Array<WeakRef<object>> = []
  const { stats } = yield* Gateway.make({
    messages: Messages.json,
    authenticate: Gateway.anonymous,
    onMessage: () => Effect.void
  }).pipe(
    Effect.updateService(Listener.Listener, (listener) => ({
      ...listener,
      listen: (handler) =>
        listener.listen((incoming) =>
          handler({
            ...incoming,
            accept: (options) =>
              Effect.tap(incoming.accept(options), (transport) => {
                transports.push(new WeakRef(transport))
                return Effect.void
              })
          })
        )
    }))
  )
  const connected = Effect.flatMap(makeClient(), (client) => client.ready)
  for (let i = 0; i < 4; i++) yield* Effect.scoped(connected)
  // The network remembers the latest link.
  yield* connected
  for (let i = 0; i < 3; i++) {
    yield* Effect.sleep(50)
    collectGarbage()
  }
  assert.deepInclude(yield* stats, { connections: 1, sessions: 1 })
  return transports.map((transport) => transport.deref() !== undefined)
}).pipe(Effect.scoped, Effect.provide(World))

describe("A connection", () => {
  it.live("that is gone is held by nobody, while its gateway goes on", () =>
    Effect.map(heldConnections, (held) => assert.deepStrictEqual(held, [false, false, false, false, true]))
  )

  it.live("does not hold on to its upgrade request", () =>
    Effect.map(held(undefined), (count) => assert.strictEqual(count, 0))
  )

  it.live("of a principal that expires does, to authenticate it again", () =>
    Effect.map(held(Date.now() + 3_600_000), (count) => assert.strictEqual(count, 4))
  )
})
