/** Somebody who speaks no protocol at all: dials a gateway now and then, and sends bytes. */
import { Effect, Random } from "effect"
import { Dialer } from "holdfast"
import type { Ledger } from "./ledger.js"
import type { Scenario } from "./scenario.js"

const garbage = Effect.gen(function* () {
  const kind = yield* Random.nextIntBetween(0, 4)
  const n = yield* Random.nextIntBetween(0, 1000)
  const frames: ReadonlyArray<string | Uint8Array> = [
    "",
    `{"type":"hello","version":${n}}`,
    JSON.stringify({ type: "data", seq: n, ack: n, body: "?" }),
    Uint8Array.from([n % 256, (n * 7) % 256, 0xff])
  ]
  return frames[kind] ?? ""
})

export const program = (scenario: Scenario, ledger: Ledger) =>
  Effect.gen(function* () {
    const dialer = yield* Dialer.Dialer
    const once = Effect.gen(function* () {
      const gateway = scenario.gateways[yield* Random.nextIntBetween(0, scenario.gateways.length)]
      const transport = yield* dialer.dial({
        url: `ws://${gateway}/`,
        protocols: ["holdfast.v1.json", "holdfast.v1.msgpack"],
        maxFrame: 1024,
        closeTimeout: 1000
      })
      transport.run({
        message: () => {},
        ping: () => {},
        pong: () => {},
        congested: () => {},
        drained: () => {},
        closed: ({ code, reason }) => ledger.event("mallory", `closed: ${code} ${reason}`)
      })
      transport.send(yield* garbage)
      yield* Effect.sleep(Math.round(10_000 ** (yield* Random.next)))
    })
    // Being refused is all that it can expect.
    yield* Effect.ignore(Effect.scoped(once))
    yield* Effect.sleep("7 seconds")
  }).pipe(Effect.forever)
