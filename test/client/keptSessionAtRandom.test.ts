/** Pages that come and go at random, with a network that breaks: what both ends saw of one another. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer, TestClock, TestContext } from "effect"
import * as fc from "fast-check"
import { Gateway, Messages } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"
import { countingStore, load, type Page, startOf, storageTab, turns } from "../support/keptSessions.js"
import { limit } from "../support/patience.js"
import { settle } from "../support/virtual.js"

type Step =
  | { readonly do: "send" | "deliver" | "push" | "cut" | "reload" | "process" | "settle" }
  | { readonly do: "turns"; readonly count: number }
  | { readonly do: "pass"; readonly millis: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom("send", "push", "process").map((what) => ({ do: what }) as Step) },
  { weight: 3, arbitrary: fc.constantFrom("deliver", "cut", "reload", "settle").map((what) => ({ do: what }) as Step) },
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 30 }).map((count) => ({ do: "turns", count }) as const) },
  { weight: 2, arbitrary: fc.constantFrom(1, 50, 1500).map((millis) => ({ do: "pass", millis }) as const) }
)

interface Saw {
  readonly accepted: Array<number>
  readonly handled: Array<unknown>
  readonly pushed: Array<number>
  readonly seen: Array<unknown>
  /** What was in hand at each reload. */
  readonly inHand: Set<unknown>
  resumes: number
}

const live = (steps: ReadonlyArray<Step>, isTold: boolean) =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork.MemoryNetwork
    const saw: Saw = { accepted: [], handled: [], pushed: [], seen: [], inHand: new Set(), resumes: 0 }
    const gateway = yield* Gateway.make({
      messages: Messages.json,
      authenticate: Gateway.anonymous,
      onMessage: (message) => Effect.sync(() => void saw.handled.push(message))
    })
    const tab = storageTab()
    let next = 1
    /** Lets the page finish with the message that it has in hand. */
    let finish: (() => void) | undefined
    const onMessage = (message: unknown) =>
      Effect.gen(function* () {
        const processed = yield* Deferred.make<void>()
        saw.seen.push(message)
        inHand = message
        finish = () => Deferred.unsafeDone(processed, Effect.void)
        yield* Deferred.await(processed)
      })
    let inHand: unknown
    const loaded = Effect.suspend(() => {
      finish = undefined
      return load(tab, { onMessage, isTold })
    })
    const process = Effect.gen(function* () {
      const before = inHand
      finish?.()
      finish = undefined
      // It is out of hand when the next one is asked for.
      yield* turns(10)
      if (inHand === before) inHand = undefined
    })
    let page: Page = yield* loaded
    // The session's only name is its first welcome's: the server can say nothing before.
    yield* settle
    const take = (step: Step): Effect.Effect<unknown, unknown, MemoryNetwork.MemoryNetwork> => {
      switch (step.do) {
        case "send":
          return Effect.tap(page.client.send(next), () => void saw.accepted.push(next++))
        case "deliver":
          return Effect.suspend(() => {
            saw.accepted.push(next)
            return Effect.forkDaemon(Effect.ignore(page.client.deliver(next++)))
          }).pipe(Effect.zipRight(Effect.yieldNow()))
        case "push":
          return Effect.flatMap(gateway.sessions, ([session]) =>
            session === undefined
              ? Effect.void
              : Effect.tap(session.send(-saw.pushed.length - 1), () => void saw.pushed.push(-saw.pushed.length - 1))
          )
        case "cut":
          return network.cut()
        case "process":
          return process
        case "reload":
          return Effect.gen(function* () {
            if (inHand !== undefined) saw.inHand.add(inHand)
            inHand = undefined
            yield* page.die
            page = yield* loaded
            saw.resumes++
          })
        case "settle":
          return settle
        case "turns":
          return turns(step.count)
        case "pass":
          return TestClock.adjust(step.millis)
      }
    }
    for (const one of steps) yield* take(one)
    for (let i = 0; saw.seen.at(-1) !== saw.pushed.at(-1) || saw.handled.length < saw.accepted.length; i++) {
      assert.isBelow(i, 200, `it never ends: ${JSON.stringify(saw)}`)
      yield* process
      yield* turns(20)
      if (i % 20 === 0) yield* TestClock.adjust("10 seconds")
    }
    yield* process
    yield* TestClock.adjust("10 seconds")
    assert.include(["Resumed", "Fresh"], yield* startOf(page.client))
    assert.deepStrictEqual(page.events, [])
    return saw
  }).pipe(Effect.provide(Layer.merge(MemoryNetwork.layer(), countingStore([]))), Effect.scoped)

/** Without what came again just after itself, if it was in hand when a page was left. */
const once = ({ inHand, seen }: Saw) => seen.filter((message, at) => message !== seen[at - 1] || !inHand.has(message))

describe("A session that is kept, whatever happens to its pages and connections,", () => {
  it.effect(
    "has each message processed once and in order, but the one in hand at a reload",
    () =>
      Effect.promise(async () => {
        let resumes = 0
        const property = fc.asyncProperty(
          fc.array(step, { minLength: 20, maxLength: 80, size: "max" }),
          fc.boolean(),
          async (steps, isTold) => {
            const saw = await Effect.runPromise(Effect.provide(live(steps, isTold), TestContext.TestContext))
            resumes += saw.resumes
            assert.deepStrictEqual(saw.handled, saw.accepted)
            assert.deepStrictEqual(once(saw), saw.pushed)
          }
        )
        await fc.assert(property, { numRuns: 25 })
        assert.isAbove(resumes, 20)
      }),
    limit
  )
})
