import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Stream } from "effect"
import { type ClientStatus, Gateway, Reconnect } from "holdfast"
import { eventually, makeClient, makeGateway } from "./support.js"
import * as TcpProxy from "./tcpProxy.js"

/**
 * A client whose second hello is being authenticated, slowly, when `giveUp`
 * makes the client come back with a third. The second one's authentication is
 * done when the third has the session and the client does not yet know it.
 */
const overtaken = (
  giveUp: (proxy: TcpProxy.TcpProxy, status: Effect.Effect<ClientStatus.Status>) => Effect.Effect<void>
) =>
  Effect.gen(function* () {
    const gate = yield* Deferred.make<void>()
    let hellos = 0
    const { gateway, port } = yield* makeGateway({
      authenticate: () =>
        Effect.zipRight(
          Effect.suspend(() => (++hellos === 2 ? Deferred.await(gate) : Effect.void)),
          Gateway.anonymous()
        )
    })
    const proxy = yield* TcpProxy.make(port)
    const client = yield* makeClient(proxy.port, {
      helloTimeout: "1 second",
      reconnect: Reconnect.exponential({ base: "50 millis", factor: 1 })
    })
    const events: Array<ClientStatus.ClientEvent> = []
    yield* Effect.fork(Stream.runForEach(client.events, (event) => Effect.sync(() => void events.push(event))))
    const { session: id } = yield* client.ready
    const session = yield* gateway.session(id)

    yield* proxy.cut
    yield* eventually(
      "the second hello is here",
      Effect.sync(() => hellos === 2)
    )
    yield* giveUp(proxy, client.status)
    yield* eventually(
      "the third hello has the session",
      Effect.map(session.info, ({ connection, generation }) => generation === 2 && connection !== undefined)
    )
    yield* Deferred.succeed(gate, undefined)
    // A delay later than the welcome: by now the second hello has had its effect, if it has any.
    yield* client.deliver(1)
    yield* proxy.delay(0)
    yield* proxy.cut
    yield* eventually(
      "the cut is noticed",
      Effect.map(session.info, ({ connection }) => connection === undefined)
    )
    const { session: resumed } = yield* client.ready
    yield* client.deliver(2)
    assert.deepStrictEqual(events, [])
    assert.strictEqual(resumed, id)
  })

describe("a hello that its client has given up cannot take the session from a later one", () => {
  it.scopedLive("when its connection is gone", () => overtaken((proxy) => Effect.zipRight(proxy.cut, proxy.delay(50))))

  it.scopedLive("when its connection seems to live, because its end is late", () =>
    overtaken((proxy, status) =>
      Effect.gen(function* () {
        yield* proxy.delay(3000)
        yield* eventually(
          "the client has given up",
          Effect.map(status, ({ _tag }) => _tag === "Waiting")
        )
        // For the next connection; what was sent on this one takes its three seconds.
        yield* proxy.delay(30)
      })
    )
  )
})
