/** A client whose server is not a Holdfast gateway: its developer is told, once. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, Runtime, TestClock } from "effect"
import { Listener, Reconnect, type Transport } from "holdfast"
import { echoGateway, makeClient, World } from "../support/virtual.js"

/** A server that does this with each connection. */
const serve = (onConnection: (transport: Transport.Transport) => void) =>
  Effect.gen(function* () {
    const listener = yield* Listener.Listener
    const runtime = yield* Effect.runtime<never>()
    yield* listener.listen((incoming) => {
      const options = { protocol: incoming.request.protocols[0] ?? "", maxFrame: 1_000_000, closeTimeout: 5000 }
      Runtime.runFork(runtime)(
        Effect.map(incoming.accept(options), (transport) => {
          const nothing = () => {}
          const ear = { message: nothing, ping: nothing, pong: nothing, congested: nothing, drained: nothing }
          transport.run({ ...ear, closed: nothing })
          onConnection(transport)
        })
      )
    })
  })

/** What is logged as a warning. */
const warned = <A, E, R>(effect: (warnings: ReadonlyArray<string>) => Effect.Effect<A, E, R>) => {
  const warnings: Array<string> = []
  const logger = Logger.make(({ logLevel, message }) => {
    if (logLevel.label === "WARN") warnings.push(String(message))
  })
  return Effect.provide(effect(warnings), Logger.replace(Logger.defaultLogger, logger))
}

const options = { reconnect: Reconnect.exponential({ jitter: false }), url: "memory:///feed?token=s3cret" }

describe("A server that is not a Holdfast gateway", () => {
  for (const [what, onConnection, after] of [
    ["says nothing", () => {}, [5000, 6000]],
    ["closes with a code of its own", (transport: Transport.Transport) => transport.close(4999, "what?"), [0, 1000]],
    ["says something else", (transport: Transport.Transport) => transport.send('{"op":10}'), [0]]
  ] as const) {
    it.scoped(`and ${what} is told of once, without the secrets of its URL`, () =>
      warned((warnings) =>
        Effect.gen(function* () {
          yield* serve(onConnection)
          // Close codes from 4500 to 4999 are final by default.
          yield* makeClient({
            ...options,
            verdict: (_, proposed) => (what.startsWith("closes") ? { _tag: "Resume", why: "Lost" } : proposed)
          })
          for (const [attempt, millis] of after.entries()) {
            assert.deepStrictEqual(warnings, [])
            yield* TestClock.adjust(millis)
            if (attempt < after.length - 1) assert.deepStrictEqual(warnings, [])
          }
          assert.lengthOf(warnings, 1)
          assert.include(warnings[0], "is it a Holdfast gateway? To any other server there is Connection.keep")
          assert.notInclude(warnings[0], "s3cret")
          yield* TestClock.adjust("10 minutes")
          assert.lengthOf(warnings, 1)
        })
      ).pipe(Effect.provide(World))
    )
  }

  it.scoped("is not suspected where a gateway is: one that was welcomed, and is lost or refused later", () =>
    warned((warnings) =>
      Effect.gen(function* () {
        yield* echoGateway()
        const client = yield* makeClient(options)
        yield* client.ready
        yield* TestClock.adjust("10 minutes")
        assert.deepStrictEqual(warnings, [])
      })
    ).pipe(Effect.provide(World))
  )
})
