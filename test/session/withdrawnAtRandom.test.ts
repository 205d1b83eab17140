/** Deliveries that are given up at random, over a network that breaks: what was never written does not happen, everything else does. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, TestClock, TestContext } from "effect"
import * as fc from "fast-check"
import { Codec, Gateway, Messages, Reconnect } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { turns } from "../support/keptSessions.js"
import { limit } from "../support/patience.js"
import { isRunning, makeClient, settle, World } from "../support/virtual.js"

type Step =
  | { readonly do: "deliver" | "cut" | "refuse" | "open" | "reconnect" | "settle" }
  /** The delivery so far into those that are waited for, from 0 to 1; waiting for its end, or not. */
  | { readonly do: "interrupt"; readonly at: number; readonly waits: boolean }
  | { readonly do: "turns"; readonly count: number }
  | { readonly do: "pass"; readonly millis: number }

const simple = (...what: ReadonlyArray<Exclude<Step["do"], "interrupt" | "turns" | "pass">>): fc.Arbitrary<Step> =>
  fc.constantFrom(...what).map((what) => ({ do: what }))

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: simple("deliver") },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("interrupt" as const),
      at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      waits: fc.boolean()
    })
  },
  { weight: 3, arbitrary: simple("cut", "refuse", "open", "open", "reconnect", "settle") },
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 30 }).map((count) => ({ do: "turns", count }) as const) },
  { weight: 2, arbitrary: fc.constantFrom(1, 40, 1500).map((millis) => ({ do: "pass", millis }) as const) }
)

const bounds = fc.record({
  /** Messages that the client holds. */
  held: fc.integer({ min: 1, max: 12 }),
  /** Messages that the server takes before it has handled the first. */
  window: fc.integer({ min: 1, max: 4 }),
  /** Milliseconds that a handler takes. */
  handling: fc.constantFrom(0, 10)
})

interface Saw {
  /** In the order in which they were asked for. */
  readonly asked: Array<number>
  /** Given up before they were ever written, and afterwards. */
  readonly unwritten: Set<number>
  readonly written: Set<number>
  readonly handled: Array<unknown>
  readonly hanging: Array<number>
}

const live = (
  steps: ReadonlyArray<Step>,
  { handling, held, window }: { readonly held: number; readonly window: number; readonly handling: number }
) =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork.MemoryNetwork
    const saw: Saw = { asked: [], unwritten: new Set(), written: new Set(), handled: [], hanging: [] }
    yield* Gateway.make({
      messages: Messages.json,
      authenticate: Gateway.anonymous,
      replayMessages: window,
      resumeWindow: "1 day",
      onMessage: (message) =>
        Effect.zipRight(
          handling === 0 ? Effect.void : Effect.sleep(handling),
          Effect.sync(() => void saw.handled.push(message))
        )
    })
    const wrote = new Set<number>()
    const codec: Codec.Codec = {
      ...Codec.json,
      data: (seq, ack, confirm, payload) => {
        wrote.add(Number(payload))
        return Codec.json.data(seq, ack, confirm, payload)
      }
    }
    const client = yield* makeClient({
      codec,
      replayMessages: held,
      reconnect: Reconnect.exponential({ jitter: false })
    })
    const waiting = new Map<number, Fiber.RuntimeFiber<void, unknown>>()
    let next = 1
    /** Notes where it was given up in the very step in which the client has let go of it. */
    const delivered = (n: number) =>
      Effect.suspend(() => {
        saw.asked.push(n)
        return Effect.onInterrupt(client.deliver(n), () =>
          Effect.sync(() => void (wrote.has(n) ? saw.written : saw.unwritten).add(n))
        )
      })
    const take = (step: Step): Effect.Effect<unknown> => {
      switch (step.do) {
        case "deliver":
          return Effect.suspend(() => {
            const n = next++
            return Effect.map(Effect.forkDaemon(delivered(n)), (fiber) => waiting.set(n, fiber))
          })
        case "interrupt": {
          const [n, fiber] = [...waiting][Math.floor(step.at * waiting.size)] ?? []
          if (n === undefined || fiber === undefined) return Effect.void
          waiting.delete(n)
          return step.waits ? Fiber.interrupt(fiber) : Fiber.interruptFork(fiber)
        }
        case "cut":
          return network.cut()
        case "refuse":
          return Effect.zipRight(network.reach({ _tag: "Refused" }), network.cut())
        case "open":
          return network.reach({ _tag: "Open" })
        case "reconnect":
          return client.reconnect
        case "settle":
          return settle
        case "turns":
          return turns(step.count)
        case "pass":
          return TestClock.adjust(step.millis)
      }
    }
    for (const one of steps) yield* take(one)
    yield* network.reach({ _tag: "Open" })
    yield* TestClock.adjust("2 minutes")
    for (const [n, fiber] of waiting) {
      if (yield* isRunning(fiber)) saw.hanging.push(n)
      else yield* Fiber.join(fiber)
    }
    const { acknowledged, sent, unacknowledged } = yield* client.stats
    assert.strictEqual(acknowledged, sent)
    assert.strictEqual(unacknowledged.messages, 0)
    assert.strictEqual(unacknowledged.bytes, 0)
    return saw
  }).pipe(Effect.provide(World), Effect.scoped)

const interrupt: Step = { do: "interrupt", at: 0, waits: false }
const deliver: Step = { do: "deliver" }

/** Those that waited for room get it in the tick in which the ones before them are given up, which changes their numbers at once. */
const moved: ReadonlyArray<Step> = [
  ...Array.from({ length: 5 }, () => deliver),
  { do: "turns", count: 1 },
  deliver,
  interrupt,
  { do: "cut" },
  deliver,
  interrupt,
  interrupt,
  interrupt,
  { do: "pass", millis: 1 }
]

describe("Deliveries, whoever gives them up and whatever happens to the connections,", () => {
  it.effect(
    "do not happen if they were given up before they were written, and happen once and in order otherwise",
    () =>
      Effect.promise(async () => {
        let unwritten = 0
        let written = 0
        const steps = fc.array(step, { minLength: 20, maxLength: 100, size: "max" }) as fc.Arbitrary<
          ReadonlyArray<Step>
        >
        const property = fc.asyncProperty(steps, bounds, async (steps, made) => {
          const saw = await Effect.runPromise(Effect.provide(live(steps, made), TestContext.TestContext))
          unwritten += saw.unwritten.size
          written += saw.written.size
          assert.deepStrictEqual(saw.hanging, [])
          assert.deepStrictEqual(
            saw.handled,
            saw.asked.filter((n) => !saw.unwritten.has(n))
          )
        })
        await fc.assert(property, { numRuns: 30, examples: [[moved, { held: 4, window: 1, handling: 0 }]] })
        assert.isAbove(unwritten, 60)
        assert.isAbove(written, 15)
        console.log(`given up: ${unwritten} unwritten, ${written} written`)
      }),
    limit
  )
})
