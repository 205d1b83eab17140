/** The simulation itself: the same seed is the same world, and a failure is cut down to what it needs. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { FaultPlan } from "holdfast/testing"
import { limit } from "../support/patience.js"
import * as invariants from "./invariants.js"
import { Ledger } from "./ledger.js"
import { type Scenario, scenario } from "./scenario.js"
import { shrink } from "./shrink.js"
import { type Outcome, run } from "./world.js"

const seeds = [1, 2, 3, 4, 5, 6]

it.effect.each(seeds)(
  "the world of seed %i holds, and is the same again, event by event",
  (seed) =>
    Effect.gen(function* () {
      const first = yield* run(scenario(seed))
      assert.deepStrictEqual(first.violations, [])
      assert.isAbove(first.counts.delivered, 0)
      assert.deepStrictEqual(yield* run(scenario(seed)), first)
    }),
  limit
)

it.effect("worlds of different seeds differ", () =>
  Effect.gen(function* () {
    const worlds = yield* Effect.forEach([1, 2], (seed) => run(scenario(seed)))
    assert.notDeepEqual(worlds[0]?.lines, worlds[1]?.lines)
  })
)

describe("A failure", () => {
  const cut: FaultPlan.Fault = { _tag: "Cut", one: "client-1", other: "gateway-1" }
  const stall: FaultPlan.Fault = { _tag: "Stall", machine: "client-1", millis: 1000 }
  const silence: FaultPlan.Fault = { _tag: "Silence", from: "client-1", to: "gateway-1", millis: 1000 }
  const world: Scenario = {
    ...scenario(1),
    plan: [stall, cut, silence, stall, cut, stall, stall].map((fault, i) => ({ at: i, fault }))
  }
  const outcome = (violation: string | undefined): Outcome => ({
    violations: violation === undefined ? [] : [violation],
    lines: [],
    counts: new Ledger(() => 0).counts,
    virtual: 0
  })
  const failsWhen = (isFailing: (plan: FaultPlan.FaultPlan) => boolean) => (tried: Scenario) =>
    Effect.succeed(outcome(isFailing(tried.plan) ? "invariant 1: lost" : undefined))
  const faults = ({ plan }: Scenario) => plan.map(({ fault }) => fault)

  it.effect("is cut down to the one fault that it needs", () =>
    Effect.gen(function* () {
      const shrunk = yield* shrink(
        world,
        outcome("invariant 1: lost"),
        failsWhen((plan) => plan.some(({ fault }) => fault._tag === "Cut"))
      )
      assert.deepStrictEqual(faults(shrunk.scenario), [cut])
      assert.deepStrictEqual(shrunk.outcome.violations, ["invariant 1: lost"])
    })
  )

  it.effect("keeps two faults that it needs together, and makes them as short as it can", () =>
    Effect.gen(function* () {
      const shrunk = yield* shrink(
        world,
        outcome("invariant 1: lost"),
        failsWhen(
          (plan) =>
            plan.filter(({ fault }) => fault._tag === "Cut").length === 2 &&
            plan.some(({ fault }) => fault._tag === "Silence" && fault.millis >= 200)
        )
      )
      assert.deepStrictEqual(faults(shrunk.scenario), [cut, { ...silence, millis: 250 }, cut])
    })
  )

  it.effect("that needs no fault is shown without any", () =>
    Effect.gen(function* () {
      const shrunk = yield* shrink(
        world,
        outcome("invariant 1: lost"),
        failsWhen(() => true)
      )
      assert.deepStrictEqual(shrunk.scenario.plan, [])
    })
  )

  it.effect("of another kind is not taken for it", () =>
    Effect.gen(function* () {
      const other = Effect.succeed(outcome("invariant 7: died"))
      const shrunk = yield* shrink(world, outcome("invariant 1: lost"), () => other)
      assert.deepStrictEqual(shrunk.scenario, world)
    })
  )
})

describe("The invariants find", () => {
  const found = (change: (ledger: Ledger) => void) => {
    const ledger = new Ledger(() => 1000)
    const life = ledger.life("client-1", false)
    life.statuses.push({
      at: 0,
      status: {
        _tag: "Ready",
        session: "s",
        generation: 1,
        start: { _tag: "Fresh" },
        since: 0,
        suspect: false,
        idleTimeout: undefined
      }
    })
    for (const [offset, value] of ["a", "b", "c"].entries()) ledger.log.set(offset + 1, value)
    change(ledger)
    invariants.atRest(ledger)
    invariants.always(ledger, scenario(1))
    return ledger.violations
  }
  const life = (ledger: Ledger) => ledger.lives[0] ?? assert.fail("a life")
  const handle = (ledger: Ledger, owner: number, seq: number, n: number) =>
    ledger.handledBy("s", { owner, seq, id: `client-1#1 send ${n}`, isRefused: false })
  const read = (ledger: Ledger, ...offsets: ReadonlyArray<number>) =>
    life(ledger).readings.push({
      publications: offsets.map((offset) => ({
        position: { epoch: "e", offset },
        value: ["a", "b", "c"][offset - 1],
        skipped: 0
      })),
      end: undefined
    })

  it("nothing where nothing is wrong", () => {
    const violations = found((ledger) => {
      for (const n of [1, 2, 3]) {
        life(ledger).said.set(`client-1#1 send ${n}`, "accepted")
        handle(ledger, 1, n, n)
      }
      read(ledger, 1, 2, 3)
    })
    assert.deepStrictEqual(violations, [])
  })

  const cases: Record<string, readonly [expected: string, change: (ledger: Ledger) => void]> = {
    "a message handled twice by one owner": [
      "invariant 1: s: 1 was handled by 1 after 1",
      (ledger) => {
        handle(ledger, 1, 1, 1)
        handle(ledger, 1, 1, 1)
      }
    ],
    "a message left out": [
      "invariant 1: s: 3 was handled by 1 after 1",
      (ledger) => {
        handle(ledger, 1, 1, 1)
        handle(ledger, 1, 3, 3)
      }
    ],
    "a message that the next owner left out": [
      "invariant 1: s: 3 was handled by 2 after 1 by others",
      (ledger) => {
        handle(ledger, 1, 1, 1)
        handle(ledger, 2, 3, 3)
      }
    ],
    "a stable id that is not": [
      "invariant 1: s: 1 is client-1#1 send 1 and client-1#1 send 2",
      (ledger) => {
        handle(ledger, 1, 1, 1)
        handle(ledger, 2, 1, 2)
      }
    ],
    "a message accepted and never handled": [
      "invariant 1: client-1#1 send 1 were accepted and never handled; 0 were reported as unknown",
      (ledger) => life(ledger).said.set("client-1#1 send 1", "accepted")
    ],
    "a message reported processed that was not": [
      "invariant 1: client-1#1 deliver 1 was reported processed, and was not",
      (ledger) => life(ledger).said.set("client-1#1 deliver 1", "processed")
    ],
    "a message reported not sent that was handled": [
      "invariant 1: client-1#1 send 1 was reported not sent, and was handled",
      (ledger) => {
        life(ledger).said.set("client-1#1 send 1", "not sent")
        handle(ledger, 1, 1, 1)
      }
    ],
    "a message still waited for": [
      "invariant 2: client-1#1 send 1 is still waited for",
      (ledger) => life(ledger).said.set("client-1#1 send 1", "pending")
    ],
    "messages handled in another order than said": [
      "invariant 1: client-1#1 send 2 was handled before an earlier one",
      (ledger) => {
        life(ledger).said.set("client-1#1 send 1", "accepted")
        life(ledger).said.set("client-1#1 send 2", "accepted")
        handle(ledger, 1, 1, 2)
        handle(ledger, 1, 2, 1)
      }
    ],
    "a reply heard twice": [
      "invariant 1: client-1#1 heard 1 from g/1 after 1",
      (ledger) => life(ledger).heard.push({ sender: "g/1", n: 1 }, { sender: "g/1", n: 1 })
    ],
    "a reply that never came": [
      "invariant 1: client-1#1 has heard 0 of 1 from g/1",
      (ledger) => ledger.senders.set("g/1", { id: "g/1", session: "s", owner: 1, accepted: 1, gone: false })
    ],
    "a gap among publications": ["invariant 1: client-1#1 read 3 after 1", (ledger) => read(ledger, 1, 3)],
    "publications not read to the end": [
      "invariant 2: client-1#1 has read up to 2, and the log ends at 3",
      (ledger) => read(ledger, 1, 2)
    ],
    "a publication published twice": [
      'invariant 1: "d" was published 2 times',
      (ledger) => {
        ledger.publishings.push({ value: "d", fate: "unknown", offset: undefined })
        ledger.log.set(4, "d").set(5, "d")
      }
    ],
    "a client that never came back": [
      "invariant 2: client-1#1 is Connecting although everything has been well for minutes",
      (ledger) => life(ledger).statuses.push({ at: 1, status: { _tag: "Connecting", attempt: 1 } })
    ],
    "a session lost within its window": [
      "invariant 1: client-1#1 lost s as expired, detached at 900, asked at 1000",
      (ledger) => {
        ledger.detached.set("s", 900)
        const start = { _tag: "Reset", reason: "expired", outcomeUnknown: 0, carriedOver: 0 } as const
        life(ledger).lost.push({ ...start, _tag: "SessionLost" })
        const status = {
          _tag: "Ready",
          session: "t",
          generation: 1,
          start,
          since: 0,
          suspect: false,
          idleTimeout: undefined
        } as const
        life(ledger).statuses.push({ at: 1000, status })
      }
    ],
    "a client that was refused for good": [
      "invariant 7: client-1#1 ended, Died",
      (ledger) => {
        life(ledger).ended = { _tag: "Died", defect: "?" }
      }
    ]
  }
  it.each(Object.entries(cases))("%s", (_, [expected, change]) => {
    assert.include(found(change), expected)
  })
})
