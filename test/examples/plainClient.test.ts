/** The client in plain JavaScript, against a gateway and through cuts: all features, and none, as a client of the first version. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Broker, Gateway, Messages, SessionStore } from "holdfast"
import { NodeListener } from "holdfast/node"
import { WebSocket } from "ws"
import * as TcpProxy from "../node/tcpProxy.js"
import { eventually, limit } from "../support/patience.js"

interface PlainClient {
  readonly send: (body: unknown) => Promise<void>
  readonly close: () => Promise<string>
}

interface Options {
  readonly WebSocket: typeof WebSocket
  readonly knows: ReadonlyArray<string>
  readonly second: number
  readonly onMessage: (body: unknown) => void
  readonly onReady: (welcome: { readonly generation: number }) => void
}

// It has no types: it is plain JavaScript.
const { PlainClient, features } = (await import(`${new URL("../../examples/plain-client.mjs", import.meta.url)}`)) as {
  readonly features: ReadonlyArray<string>
  readonly PlainClient: new (url: string, options: Options) => PlainClient
}

const count = 60
/** Of two, three and four bytes each, so that a cut may fall into any. */
const large = "é€😀".repeat(30_000)
/** The n-th message; every tenth travels in parts, where it can. */
const textOf = (n: number) => `${n} ${n % 10 === 0 ? large : "small"}`
const numberOf = (text: unknown) => Number.parseInt(String(text), 10)
const all = Array.from({ length: count }, (_, i) => i + 1)

describe("a client in plain JavaScript", () => {
  for (const [name, knows] of [
    ["all features", features],
    ["no feature", []]
  ] as ReadonlyArray<readonly [string, ReadonlyArray<string>]>) {
    it.live(
      `with ${name} has each message processed once and in order, both ways, through cuts`,
      () =>
        Effect.gen(function* () {
          const handled: Array<string> = []
          const gateway = yield* Gateway.make({
            messages: Messages.json,
            authenticate: Gateway.anonymous,
            onMessage: (message, session) =>
              Effect.suspend(() => {
                handled.push(String(message))
                return session.send(message)
              })
          })
          const proxy = yield* TcpProxy.make(Number(new URL(gateway.address).port))
          // Enough for a part or two; without parts, for the largest message.
          const least = knows.length > 0 ? 100_000 : 500_000
          yield* proxy.cutAfter(() => least + Math.floor((Math.random() * least) / 5))
          const echoed: Array<string> = []
          let generation = 0
          const client = new PlainClient(`ws://127.0.0.1:${proxy.port}/`, {
            WebSocket,
            knows,
            second: 10,
            onMessage: (body: unknown) => void echoed.push(String(body)),
            onReady: (welcome: { readonly generation: number }) => {
              generation = welcome.generation
            }
          })
          const processed = Promise.all(all.map((n) => client.send(textOf(n))))
          yield* eventually(
            "everything has come back",
            Effect.sync(() => echoed.length >= count),
            () => `${handled.length} ${echoed.length} ${generation}`
          )
          yield* Effect.promise(() => processed)
          assert.strictEqual(yield* Effect.promise(() => client.close()), "closed")
          assert.deepStrictEqual(handled.map(numberOf), all)
          assert.deepStrictEqual(echoed.map(numberOf), all)
          assert.isTrue(echoed.every((text, i) => text === textOf(i + 1)))
          assert.isAbove(generation, 2)
        }).pipe(
          Effect.scoped,
          Effect.provide(
            Layer.mergeAll(NodeListener.layer({ port: 0 }), SessionStore.layerMemory(), Broker.layerMemory())
          )
        ),
      limit
    )
  }
})
