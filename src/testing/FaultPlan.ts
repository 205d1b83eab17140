/**
 * The faults of a network in memory, and their times, as data: drawn from
 * Effect's Random, so that a seed gives the same plan again, printed, cut down
 * to what a failure needs, and played.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { MemoryNetwork } from "./MemoryNetwork.js"

/**
 * A fault between machines of a network, or of one. Those with `millis` are
 * over after so many milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export type Fault =
  /** Their connections break, and both hear of it. */
  | { readonly _tag: "Cut"; readonly one: string; readonly other: string }
  /** Nothing that one says arrives at the other. */
  | { readonly _tag: "Silence"; readonly from: string; readonly to: string; readonly millis: number }
  /** The same in both directions. */
  | { readonly _tag: "Partition"; readonly one: string; readonly other: string; readonly millis: number }
  /** The way takes so many milliseconds, and up to as many again. */
  | {
      readonly _tag: "Slow"
      readonly from: string
      readonly to: string
      readonly latency: number
      readonly millis: number
    }
  /** The machine does not read. */
  | { readonly _tag: "Stall"; readonly machine: string; readonly millis: number }
  /** The machine refuses dials, and what is asked of it. */
  | { readonly _tag: "Refuse"; readonly machine: string; readonly millis: number }
  /** The machine sleeps; its monotonic clock counts that (the default), or stops meanwhile. */
  | {
      readonly _tag: "Suspend"
      readonly machine: string
      readonly millis: number
      readonly monotonic?: "counts" | "stops"
    }
  /** The machine's system clock is set forward by so many milliseconds, or back where they are negative. */
  | { readonly _tag: "StepClock"; readonly machine: string; readonly by: number }
  /** The machine crashes, and runs its programs afresh when it is back. Its peers are told, or not. */
  | { readonly _tag: "Crash"; readonly machine: string; readonly isTold: boolean; readonly millis: number }

/**
 * The kind of a fault.
 *
 * @since 0.1.0
 * @category models
 */
export type Kind = Fault["_tag"]

/**
 * Faults and their times, in milliseconds from the plan's beginning, in order.
 *
 * @since 0.1.0
 * @category models
 */
export type FaultPlan = ReadonlyArray<{ readonly at: number; readonly fault: Fault }>

/**
 * All kinds.
 *
 * @since 0.1.0
 * @category models
 */
export const kinds: ReadonlyArray<Kind> = [
  "Cut",
  "Silence",
  "Partition",
  "Slow",
  "Stall",
  "Refuse",
  "Suspend",
  "StepClock",
  "Crash"
]

/**
 * The options of a plan that is drawn from chance.
 *
 * @since 0.1.0
 * @category models
 */
export interface RandomOptions {
  /** Pairs of machines that speak to each other; the first of a pair dials, or asks. */
  readonly ways: ReadonlyArray<readonly [from: string, to: string]>
  /** How many faults. */
  readonly faults: number
  /** They begin within this time. */
  readonly within: Duration.DurationInput
  /** How long the longest lasts; short ones are as likely as long ones, on a logarithmic scale. Default 3 minutes. */
  readonly longest?: Duration.DurationInput | undefined
  /** Default: all. */
  readonly kinds?: ReadonlyArray<Kind> | undefined
  /** Machines that never stall, sleep, crash or have their clock set: those on which no program runs. Default: none. */
  readonly spared?: ReadonlyArray<string> | undefined
}

const pick = <A>(from: ReadonlyArray<A>): Effect.Effect<A> =>
  Effect.flatMap(Random.nextIntBetween(0, from.length), (index) => {
    const found = from[index]
    return found === undefined
      ? Effect.dieMessage("a random plan needs at least one way and one kind")
      : Effect.succeed(found)
  })

/**
 * A plan drawn from Random.
 *
 * @since 0.1.0
 * @category constructors
 */
export const random = (options: RandomOptions): Effect.Effect<FaultPlan> =>
  Effect.gen(function* () {
    const within = Duration.toMillis(options.within)
    const longest = Duration.toMillis(options.longest ?? "3 minutes")
    const { spared = [], ways } = options
    const machines = [...new Set(ways.flat())].filter((name) => !spared.includes(name))
    const servers = [...new Set(ways.map(([, to]) => to))]
    const possible = (options.kinds ?? kinds).filter(
      (kind) =>
        machines.length > 0 || !(kind === "Stall" || kind === "Suspend" || kind === "StepClock" || kind === "Crash")
    )
    const millis = Effect.map(Random.next, (x) => Math.round(longest ** x))

    const draw: Record<Kind, Effect.Effect<Fault>> = {
      Cut: Effect.map(pick(ways), ([one, other]) => ({ _tag: "Cut", one, other })),
      Silence: Effect.gen(function* () {
        const [from, to] = yield* pick(ways)
        const isForth = yield* Random.nextBoolean
        const ends = isForth ? { from, to } : { from: to, to: from }
        return { _tag: "Silence", ...ends, millis: yield* millis }
      }),
      Partition: Effect.gen(function* () {
        const [one, other] = yield* pick(ways)
        return { _tag: "Partition", one, other, millis: yield* millis }
      }),
      Slow: Effect.gen(function* () {
        const [from, to] = yield* pick(ways)
        const isForth = yield* Random.nextBoolean
        const ends = isForth ? { from, to } : { from: to, to: from }
        const latency = Math.round(5000 ** (yield* Random.next))
        return { _tag: "Slow", ...ends, latency, millis: yield* millis }
      }),
      Stall: Effect.gen(function* () {
        return { _tag: "Stall", machine: yield* pick(machines), millis: yield* millis }
      }),
      Refuse: Effect.gen(function* () {
        return { _tag: "Refuse", machine: yield* pick(servers), millis: yield* millis }
      }),
      Suspend: Effect.gen(function* () {
        const counts = yield* Random.nextBoolean
        return {
          _tag: "Suspend",
          machine: yield* pick(machines),
          millis: yield* millis,
          monotonic: counts ? "counts" : "stops"
        }
      }),
      StepClock: Effect.gen(function* () {
        const machine = yield* pick(machines)
        // Up to two hours: a time zone that was taken for another, too.
        const by = Math.round(7_200_000 ** (yield* Random.next))
        return { _tag: "StepClock", machine, by: (yield* Random.nextBoolean) ? by : -by }
      }),
      Crash: Effect.gen(function* () {
        const machine = yield* pick(machines)
        return { _tag: "Crash", machine, isTold: yield* Random.nextBoolean, millis: yield* millis }
      })
    }

    const drawn = yield* Effect.replicateEffect(
      Effect.gen(function* () {
        const at = yield* Random.nextIntBetween(0, within + 1)
        const kind = yield* pick(possible)
        return { at, fault: yield* draw[kind] }
      }),
      options.faults
    )
    return [...drawn].sort((a, b) => a.at - b.at)
  })

/**
 * A fault in words.
 *
 * @since 0.1.0
 * @category rendering
 */
export const describe = (fault: Fault): string => {
  switch (fault._tag) {
    case "Cut":
      return `cut ${fault.one} – ${fault.other}`
    case "Silence":
      return `silence ${fault.from} → ${fault.to} for ${fault.millis} ms`
    case "Partition":
      return `partition ${fault.one} | ${fault.other} for ${fault.millis} ms`
    case "Slow":
      return `slow ${fault.from} → ${fault.to} by ${fault.latency} to ${2 * fault.latency} ms for ${fault.millis} ms`
    case "Stall":
      return `${fault.machine} does not read for ${fault.millis} ms`
    case "Refuse":
      return `${fault.machine} refuses for ${fault.millis} ms`
    case "Suspend":
      return `${fault.machine} sleeps for ${fault.millis} ms${fault.monotonic === "stops" ? ", and its monotonic clock stops" : ""}`
    case "StepClock":
      return `the clock of ${fault.machine} is set ${fault.by < 0 ? "back" : "forward"} by ${Math.abs(fault.by)} ms`
    case "Crash":
      return `${fault.machine} crashes${fault.isTold ? "" : " without a word"}, back after ${fault.millis} ms`
  }
}

/** The effects of faults on the network: each has a name, begins with the first fault that does it, and ends with the last. */
interface Doing {
  readonly name: string
  readonly begin: Effect.Effect<void>
  readonly end: Effect.Effect<void>
}

/** Of those that last. */
const doings = (
  network: MemoryNetwork["Type"],
  fault: Exclude<Fault, { _tag: "Cut" | "StepClock" }>
): ReadonlyArray<Doing> => {
  const silence = (from: string, to: string): Doing => ({
    name: `silence ${from} ${to}`,
    begin: network.silence(from, to),
    end: network.heal(from, to)
  })
  switch (fault._tag) {
    case "Silence":
      return [silence(fault.from, fault.to)]
    case "Partition":
      return [silence(fault.one, fault.other), silence(fault.other, fault.one)]
    case "Slow": {
      const { from, latency, to } = fault
      const begin = network.congest({ latency, jitter: latency }, from, to)
      return [{ name: `slow ${from} ${to}`, begin, end: network.clear(from, to) }]
    }
    case "Stall":
      return [
        { name: `stall ${fault.machine}`, begin: network.stall(fault.machine), end: network.release(fault.machine) }
      ]
    case "Refuse": {
      const reach = (to: "Refused" | "Open") => network.reach({ _tag: to }, fault.machine)
      return [{ name: `refuse ${fault.machine}`, begin: reach("Refused"), end: reach("Open") }]
    }
    case "Suspend":
      return [
        {
          name: `suspend ${fault.machine}`,
          begin: network.suspend(fault.machine, { monotonic: fault.monotonic ?? "counts" }),
          end: network.wake(fault.machine)
        }
      ]
    case "Crash": {
      const { isTold, machine } = fault
      return [{ name: `crash ${machine}`, begin: network.crash(machine, { isTold }), end: network.restart(machine) }]
    }
  }
}

/**
 * Plays a plan; it has ended when the last fault is over. `onFault` hears of
 * each as it begins. Interrupted, it leaves the network as it is.
 *
 * @since 0.1.0
 * @category running
 */
export const play = (
  plan: FaultPlan,
  onFault: (fault: Fault) => Effect.Effect<void> = () => Effect.void
): Effect.Effect<void, never, MemoryNetwork> =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork
    const going = new Map<string, number>()
    const begin = ({ begin, name }: Doing) =>
      Effect.suspend(() => {
        const others = going.get(name) ?? 0
        going.set(name, others + 1)
        // What takes its figure from the fault begins anew.
        return others === 0 || name.startsWith("slow") ? begin : Effect.void
      })
    const end = ({ end, name }: Doing) =>
      Effect.suspend(() => {
        const others = (going.get(name) ?? 1) - 1
        going.set(name, others)
        return others === 0 ? end : Effect.void
      })
    const one = ({ at, fault }: FaultPlan[number]) =>
      Effect.gen(function* () {
        yield* Effect.sleep(at)
        yield* onFault(fault)
        if (fault._tag === "Cut") return yield* network.cut(fault.one, fault.other)
        if (fault._tag === "StepClock") {
          const by = fault.by < 0 ? { back: -fault.by } : { forward: fault.by }
          return yield* network.stepClock(by, fault.machine)
        }
        const what = doings(network, fault)
        yield* Effect.forEach(what, begin, { discard: true })
        yield* Effect.sleep(fault.millis)
        yield* Effect.forEach(what, end, { discard: true })
      })
    yield* Effect.forEach(plan, one, { concurrency: "unbounded", discard: true })
  })
