/** The laws as they run on a real server: its clock goes on by itself, and any runner that takes promises will do. */
import { assert, it } from "@effect/vitest"
import { Clock, Effect, Layer } from "effect"
import { Broker, SessionStore } from "holdfast"
import { BrokerLaws, type Law, SessionStoreLaws } from "holdfast/testing"
import { broken, sharedBroker, sharedStore } from "./support.js"

/** One law after the other, with promises alone, as any runner has them: which were broken, and what they said. */
const run = async (suite: (register: Law.Register) => void): Promise<ReadonlyArray<string>> => {
  const laws: Array<readonly [string, Effect.Effect<void, Law.LawBroken>]> = []
  suite((law, holds) => laws.push([law, holds]))
  assert.isAbove(laws.length, 40)
  const said: Array<string> = []
  for (const [law, holds] of laws) {
    await Effect.runPromise(holds).catch((error: unknown) => said.push(`${law}: ${error}`))
  }
  return said
}

it("the laws hold for the memory store and broker by the live clock, with promises alone", async () => {
  const store = Layer.effect(SessionStore.SessionStore, SessionStore.makeMemory({ lease: 300 }))
  const broker = Layer.effect(Broker.Broker, Broker.makeMemory({ keyWindow: 300 }))
  const options = { clock: "live", unit: "50 millis" } as const
  assert.deepStrictEqual(await run((register) => SessionStoreLaws.suite(store, register, options)), [])
  assert.deepStrictEqual(await run((register) => BrokerLaws.suite(broker, register, options)), [])
})

it("and with promises alone under a TestClock that each law brings with it", async () => {
  const store = Layer.effect(SessionStore.SessionStore, SessionStore.makeMemory())
  assert.deepStrictEqual(await run((register) => SessionStoreLaws.suite(store, register)), [])
})

it.effect("two nodes that share their data keep the laws, by either clock", () =>
  Effect.gen(function* () {
    for (const clock of ["test", "live"] as const) {
      const stores = yield* broken(SessionStoreLaws.make(sharedStore, { clock, nodes: 2, unit: "50 millis" }))
      assert.deepStrictEqual([...stores.values()], [])
      const brokers = yield* broken(BrokerLaws.make(sharedBroker, { clock, nodes: 2, unit: "50 millis" }))
      assert.deepStrictEqual([...brokers.values()], [])
    }
  })
)

it.effect("a server that others use as well keeps the laws, when the suite is told so", () =>
  Effect.gen(function* () {
    // One for all laws at once, so that each finds what the others do and leave behind.
    const options = { clock: "live", isAlone: false } as const
    const store = yield* Effect.withClock(SessionStore.makeMemory(), Clock.make())
    const stores = yield* broken(SessionStoreLaws.make(Layer.succeed(SessionStore.SessionStore, store), options))
    assert.deepStrictEqual([...stores.values()], [])
    const broker = yield* Effect.withClock(Broker.makeMemory(), Clock.make())
    const brokers = yield* broken(BrokerLaws.make(Layer.succeed(Broker.Broker, broker), options))
    assert.deepStrictEqual([...brokers.values()], [])
  })
)
