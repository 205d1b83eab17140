/** Plans of what goes wrong. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Random } from "effect"
import { FaultPlan } from "holdfast/testing"
import { dial, hold, listenTo, Network, now, virtually, whats } from "./support.js"

const options = {
  ways: [
    ["client", "server"],
    ["server", "store"]
  ],
  faults: 200,
  within: "10 minutes"
} as const

const drawn = (seed: number, more?: Partial<FaultPlan.RandomOptions>) =>
  Effect.withRandom(FaultPlan.random({ ...options, ...more }), Random.make(seed))

const millisOf = (fault: FaultPlan.Fault) => ("millis" in fault ? fault.millis : 0)

describe("a random plan", () => {
  it.effect("is the same for the same seed, and another for another", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* drawn(1), yield* drawn(1))
      assert.notDeepEqual(yield* drawn(1), yield* drawn(2))
    })
  )

  it.effect("has every kind, as many faults as it was asked for, in order and within its time", () =>
    Effect.gen(function* () {
      const plan = yield* drawn(1)
      assert.strictEqual(plan.length, 200)
      assert.deepStrictEqual([...new Set(plan.map(({ fault }) => fault._tag))].sort(), [...FaultPlan.kinds].sort())
      const times = plan.map(({ at }) => at)
      assert.deepStrictEqual(
        times,
        [...times].sort((a, b) => a - b)
      )
      assert.isAtLeast(Math.min(...times), 0)
      assert.isAtMost(Math.max(...times), 600_000)
    })
  )

  it.effect("has short faults and long ones, none longer than the longest", () =>
    Effect.gen(function* () {
      const lengths = (yield* drawn(1, { longest: "10 seconds" })).map(({ fault }) => millisOf(fault))
      assert.isAtMost(Math.max(...lengths), 10_000)
      assert.isAbove(lengths.filter((millis) => millis > 3000).length, 5)
      assert.isAbove(lengths.filter((millis) => millis > 0 && millis < 30).length, 5)
    })
  )

  it.effect("has only the kinds that were named, and spares whom it was told to", () =>
    Effect.gen(function* () {
      const kinds = ["Crash", "Stall", "Suspend", "Cut"] as const
      const plan = yield* drawn(1, { kinds, spared: ["client", "store"] })
      assert.deepStrictEqual([...new Set(plan.map(({ fault }) => fault._tag))].sort(), [...kinds].sort())
      for (const { fault } of plan) if ("machine" in fault) assert.strictEqual(fault.machine, "server")
      const all = yield* drawn(1, { spared: ["client", "server", "store"] })
      assert.isFalse(all.some(({ fault }) => ["Crash", "Stall", "Suspend", "StepClock"].includes(fault._tag)))
    })
  )

  it.effect("refuses only those that are dialled, and needs a kind that is possible", () =>
    Effect.gen(function* () {
      const refusing = yield* drawn(1, { kinds: ["Refuse"] })
      const refusers = refusing.map(({ fault }) => (fault._tag === "Refuse" ? fault.machine : ""))
      assert.deepStrictEqual([...new Set(refusers)].sort(), ["server", "store"])
      const exit = yield* Effect.exit(drawn(1, { kinds: [] }))
      assert.include(String(exit), "at least one way and one kind")
    })
  )
})

it("each fault has its words", () => {
  const words = [
    { _tag: "Cut", one: "a", other: "b" },
    { _tag: "Silence", from: "a", to: "b", millis: 5 },
    { _tag: "Partition", one: "a", other: "b", millis: 5 },
    { _tag: "Slow", from: "a", to: "b", latency: 10, millis: 5 },
    { _tag: "Stall", machine: "a", millis: 5 },
    { _tag: "Refuse", machine: "a", millis: 5 },
    { _tag: "Suspend", machine: "a", millis: 5 },
    { _tag: "Suspend", machine: "a", millis: 5, monotonic: "stops" },
    { _tag: "StepClock", machine: "a", by: 5000 },
    { _tag: "StepClock", machine: "a", by: -5000 },
    { _tag: "Crash", machine: "a", isTold: true, millis: 5 },
    { _tag: "Crash", machine: "a", isTold: false, millis: 5 }
  ] as const
  assert.deepStrictEqual(words.map(FaultPlan.describe), [
    "cut a – b",
    "silence a → b for 5 ms",
    "partition a | b for 5 ms",
    "slow a → b by 10 to 20 ms for 5 ms",
    "a does not read for 5 ms",
    "a refuses for 5 ms",
    "a sleeps for 5 ms",
    "a sleeps for 5 ms, and its monotonic clock stops",
    "the clock of a is set forward by 5000 ms",
    "the clock of a is set back by 5000 ms",
    "a crashes, back after 5 ms",
    "a crashes without a word, back after 5 ms"
  ])
})

/** When messages arrive that are sent every 10 ms for a second, under a plan. */
const arrivals = (plan: FaultPlan.FaultPlan) =>
  virtually(
    Effect.gen(function* () {
      const [server] = yield* hold("server")
      const client = yield* dial()
      const clock = yield* Effect.clock
      const heard = listenTo(yield* server, { clock })
      yield* Effect.fork(FaultPlan.play(plan))
      for (let i = 0; i < 100; i++) {
        client.send(String(i * 10))
        yield* Effect.sleep(10)
      }
      yield* Effect.sleep(1000)
      return heard.filter(({ what }) => !what.startsWith("closed")).map(({ at, what }) => [Number(what), at] as const)
    })
  )

const late = (all: ReadonlyArray<readonly [number, number]>) => all.filter(([said, at]) => at !== said)

it.effect("overlapping faults of one kind begin with the first and end with the last", () =>
  Effect.gen(function* () {
    const silence = (millis: number) => ({ _tag: "Silence", from: "client", to: "server", millis }) as const
    const stall = (millis: number) => ({ _tag: "Stall", machine: "server", millis }) as const
    const partition = { _tag: "Partition", one: "server", other: "client", millis: 205 } as const
    for (const plan of [
      [
        { at: 105, fault: silence(300) },
        { at: 205, fault: silence(50) },
        { at: 305, fault: silence(200) }
      ],
      [
        { at: 105, fault: stall(300) },
        { at: 305, fault: stall(200) }
      ],
      [
        { at: 105, fault: silence(300) },
        { at: 300, fault: partition }
      ]
    ]) {
      const delayed = late(yield* arrivals(plan))
      assert.deepStrictEqual(
        [delayed.at(0), delayed.at(-1)],
        [
          [110, 505],
          [500, 505]
        ]
      )
    }
  })
)

it.effect("a way is as slow as the latest fault says, until the last is over", () =>
  Effect.gen(function* () {
    const slow = (latency: number, millis: number) =>
      ({ _tag: "Slow", from: "client", to: "server", latency, millis }) as const
    const all = yield* arrivals([
      { at: 105, fault: slow(20, 300) },
      { at: 205, fault: slow(50, 400) }
    ])
    const least = (from: number, to: number) =>
      Math.min(...all.filter(([said]) => said > from && said < to).map(([said, at]) => at - said))
    assert.strictEqual(late(all)[0]?.[0], 110)
    assert.isAtLeast(least(105, 205), 20)
    assert.isAtLeast(least(205, 605), 50)
    assert.isBelow(least(105, 205), 50)
    assert.isAbove(late(all).at(-1)?.[0] ?? 0, 590)
    assert.deepStrictEqual(late(all.filter(([said]) => said > 710)), [])
  })
)

it.effect("a play tells of each fault as it begins, and is over with the last", () =>
  virtually(
    Effect.gen(function* () {
      const told: Array<readonly [number, string]> = []
      const plan: FaultPlan.FaultPlan = [
        { at: 10, fault: { _tag: "Refuse", machine: "server", millis: 500 } },
        { at: 100, fault: { _tag: "Cut", one: "client", other: "server" } }
      ]
      yield* FaultPlan.play(plan, ({ _tag }) => Effect.map(now, (at) => void told.push([at, _tag])))
      assert.deepStrictEqual(told, [
        [10, "Refuse"],
        [100, "Cut"]
      ])
      assert.strictEqual(yield* now, 510)
    })
  )
)

it.effect("all is well at the end of a play", () =>
  Effect.forEach([1, 2, 3, 4, 5], (seed) =>
    virtually(
      Effect.gen(function* () {
        const network = yield* Network
        for (const name of ["client", "store"]) yield* network.run(name, Effect.never)
        const [accepted] = yield* hold("server")
        yield* FaultPlan.play(yield* drawn(seed))
        const clock = yield* Effect.clock
        const ended = clock.unsafeCurrentTimeMillis()
        // Its own clocks stay as they were set, or as far behind as it slept.
        const ticked = yield* network.run(
          "server",
          Effect.zipRight(
            Effect.sleep(5),
            Effect.sync(() => clock.unsafeCurrentTimeMillis())
          )
        )
        const client = yield* Effect.provide(dial(), network.on("client"))
        const there = yield* accepted
        const [heard, back] = [listenTo(there, { clock }), listenTo(client, { clock })]
        client.send("there")
        there.send("back")
        assert.strictEqual(yield* ticked, ended + 5)
        assert.deepStrictEqual(
          [...heard, ...back].map(({ at, what }) => [what, at - ended]),
          [
            ["there", 0],
            ["back", 0]
          ]
        )
        assert.deepStrictEqual(whats(back), ["back"])
      })
    )
  )
)
