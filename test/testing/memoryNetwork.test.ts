/** The network in memory says where its dials come from. */
import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Dialer, Gateway, type Listener, SessionStore } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { echo } from "../badInput/support.js"

it.scoped("a dial comes from `memory`, or from the address that was set last", () =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork.MemoryNetwork
    const dialer = yield* Dialer.Dialer
    const asked: Array<Listener.UpgradeRequest> = []
    yield* Gateway.make({ ...echo, authorizeUpgrade: (request) => Effect.sync(() => void asked.push(request)) })
    const dial = dialer.dial({ url: "memory:", protocols: ["holdfast.v1.json"], maxFrame: 1000, closeTimeout: 1000 })

    yield* dial
    yield* network.address("1.2.3.4")
    yield* dial
    yield* dial
    yield* network.address("2001:db8::1")
    yield* dial

    assert.deepStrictEqual(
      asked.map(({ address, remoteAddress }) => [address, remoteAddress]),
      [
        ["memory", "memory:client"],
        ["1.2.3.4", "1.2.3.4:client"],
        ["1.2.3.4", "1.2.3.4:client"],
        ["2001:db8::1", "2001:db8::1:client"]
      ]
    )
    assert.deepStrictEqual(
      (yield* network.links).map((link) => link.server.remoteAddress),
      asked.map(({ remoteAddress }) => remoteAddress)
    )
  }).pipe(Effect.provide(Layer.merge(MemoryNetwork.layer(), SessionStore.layerMemory())))
)
