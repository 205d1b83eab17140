/** The bench on which a law is held against an implementation: its nodes, its clock, and names that nobody else uses. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as TestContext from "effect/TestContext"
import { webCrypto } from "../../session/Credentials.js"
import { type Law, LawBroken, type Options } from "../Law.js"
import { show } from "./compare.js"
import { Breach, breach } from "./expect.js"

export interface Bench<S> {
  /** The two nodes; with `nodes: 1` they are the same one. */
  readonly one: S
  readonly other: S
  readonly isLive: boolean
  readonly isAlone: boolean
  /** Milliseconds of the unit of time. */
  readonly unit: number
  /**
   * True when the law let time pass, and more than a unit of it went by besides, that the machine and the network took. Never
   * so of a law that is not about time: what many at once can break must not be tried until it holds.
   */
  readonly isLate: Effect.Effect<boolean>
  /** Allows less than a unit for that: so many milliseconds. For a law that keeps the implementation's own time. */
  readonly allow: (millis: number) => Effect.Effect<void>
  /** Lets so many units of the implementation's time pass, and milliseconds more. */
  readonly pass: (units: number, millis?: number) => Effect.Effect<void>
  /** Waits in real time for what comes from elsewhere. */
  readonly until: (what: string, holds: () => boolean) => Effect.Effect<void, Breach>
  /** A name that nobody else uses, with this text in it. */
  readonly name: (text: string) => string
}

/** The word of a law on an implementation; it fails with a `Breach`, or with what the implementation fails with. */
export interface Statement<S> {
  readonly name: string
  /** It is about the exact millisecond: not for a clock that goes on by itself. */
  readonly isExact?: boolean
  readonly body: (bench: Bench<S>) => Effect.Effect<unknown, unknown, Scope.Scope>
}

/** In real time, whatever the clock. */
const live = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => Effect.withClock(effect, Clock.make())

const until = (patience: number) => (what: string, holds: () => boolean) =>
  live(
    Effect.gen(function* () {
      // What is in this process has happened after some turns of the scheduler.
      for (let turn = 0; turn < 20 && !holds(); turn++) yield* Effect.yieldNow()
      const start = yield* Clock.currentTimeMillis
      while (!holds()) {
        const waited = (yield* Clock.currentTimeMillis) - start
        if (waited > patience) return yield* breach(what, `within ${patience} ms of real time`, "waited in vain")
        yield* Effect.sleep(Math.min(5, patience))
      }
    })
  )

const makeBench = <I, S, E>(
  tag: Context.Tag<I, S>,
  layer: Layer.Layer<I, E>,
  options: Options,
  times: number
): Effect.Effect<Bench<S>, E, Scope.Scope> =>
  Effect.gen(function* () {
    const isLive = options.clock === "live"
    const unit = times * Duration.toMillis(options.unit ?? (isLive ? "100 millis" : "1 second"))
    const open = Effect.map(Layer.build(layer), Context.get(tag))
    const one = yield* open
    const other = options.nodes === 2 ? yield* open : one
    const own = yield* webCrypto.id
    const start = yield* Clock.currentTimeMillis
    let passed = 0
    let allowed = unit
    return {
      one,
      other,
      isLive,
      isAlone: options.isAlone ?? true,
      unit,
      isLate: Effect.map(Clock.currentTimeMillis, (now) => isLive && passed > 0 && now - start - passed > allowed),
      allow: (millis) =>
        Effect.sync(() => {
          allowed = Math.min(allowed, millis)
        }),
      pass: (units, millis = 0) =>
        Effect.suspend(() => {
          const time = units * unit + millis
          passed += time
          return isLive ? Effect.sleep(time) : TestClock.adjust(time)
        }),
      until: until(patienceOf(options)),
      name: (text) => `${text}.${own}`
    }
  })

const patienceOf = (options: Options): number => Duration.toMillis(options.patience ?? "2 seconds")

/** Whatever goes wrong in a law breaks it. */
const broken = (law: string, cause: Cause.Cause<unknown>): Effect.Effect<never, LawBroken> => {
  const failure = Cause.failureOption(cause)
  const error = failure._tag === "Some" ? failure.value : undefined
  if (error instanceof Breach) {
    const { actual, did, expected } = error
    return Effect.fail(new LawBroken({ law, did, expected, actual }))
  }
  const thrown = Cause.squash(cause)
  const did = error === undefined ? "an operation, which died" : "an operation, which failed"
  return Effect.fail(new LawBroken({ law, did, expected: "that it succeeds", actual: show(thrown), cause: thrown }))
}

/** Broken, but late, so that it proves nothing. */
class Undecided extends Data.TaggedError("Undecided")<{ readonly broken: LawBroken }> {}

const hold = <S>(
  statement: Statement<S>,
  bench: Bench<S>,
  options: Options
): Effect.Effect<void, LawBroken | Undecided> => {
  const limit = 10 * patienceOf(options)
  const alarm = live(Effect.delay(breach("the law as a whole", `an answer within ${limit} ms`, "none"), limit))
  // Disconnected, so that an operation that cannot be interrupted is not waited for.
  return Effect.raceFirst(Effect.disconnect(Effect.scoped(statement.body(bench))), alarm).pipe(
    Effect.asVoid,
    Effect.catchAllCause((cause) =>
      Cause.isInterruptedOnly(cause) ? Effect.interrupt : broken(statement.name, cause)
    ),
    Effect.catchTag("LawBroken", (broken) =>
      Effect.flatMap(bench.isLate, (isLate) => Effect.fail(isLate ? new Undecided({ broken }) : broken))
    )
  )
}

const under = <A, E>(effect: Effect.Effect<A, E>, options: Options): Effect.Effect<A, E> =>
  options.clock === "live" ? live(effect) : Effect.provide(effect, TestContext.TestContext)

/** The same service, asked in another way that it offers; `undefined` where it offers none. */
interface OtherWay<S> {
  readonly name: string
  readonly of: (service: S) => S | undefined
}

const otherwise = (broken: LawBroken, way: string): LawBroken => {
  const { actual, cause, did, expected, law } = broken
  return new LawBroken({ law, did: `${did}, ${way}`, expected, actual, cause })
}

/** The laws of an implementation, each with instances, names and a clock of its own, and in each of the ways to ask it. */
export const lawsOf = <I, S, E>(
  tag: Context.Tag<I, S>,
  statements: ReadonlyArray<Statement<S>>,
  layer: Layer.Layer<I, E>,
  options: Options,
  otherWay?: OtherWay<S>
): ReadonlyArray<Law<E>> =>
  statements
    .filter(({ isExact }) => isExact !== true || options.clock !== "live")
    .map((statement) => {
      const heldIn = (times: number, way: (service: S) => S | undefined) =>
        Effect.scoped(
          Effect.flatMap(makeBench(tag, layer, options, times), (bench) => {
            const [one, other] = [way(bench.one), way(bench.other)]
            if (one === undefined || other === undefined) return Effect.void
            return hold(statement, { ...bench, one, other: bench.other === bench.one ? one : other }, options)
          })
        )
      const held = (times: number) => {
        const asItIs = heldIn(times, (service) => service)
        if (otherWay === undefined) return asItIs
        const inTheOther = Effect.mapError(heldIn(times, otherWay.of), (error) =>
          error instanceof LawBroken ? otherwise(error, otherWay.name) : error
        )
        return Effect.zipRight(asItIs, inTheOther)
      }
      return { name: statement.name, holds: under(judged(held), options) }
    })

/** How long the unit of time is when a law is judged again, in units: what the machine takes is a smaller part of it each time. */
const again = [1, 2, 4, 8] as const

/** Nothing is said against an implementation where the machine was late: it is judged again, with more time. */
const judged = <A, E>(
  held: (times: number) => Effect.Effect<A, E | LawBroken | Undecided>
): Effect.Effect<A, E | LawBroken> =>
  again
    .map(held)
    .reduce((before, next) =>
      Effect.catchIf(
        before,
        (error) => error instanceof Undecided,
        () => next
      )
    )
    .pipe(Effect.catchAll((error) => Effect.fail(error instanceof Undecided ? error.broken : error)))

/**
 * Runs rounds in which a fiber gives the others their turn every so many steps, *within* operations too. After `turn(i)`,
 * for all i, that is after each step of an operation: what an implementation does in several steps is seen between them.
 */
export const interleaved = <E, R>(round: (n: number) => Effect.Effect<unknown, E, R>): Effect.Effect<void, E, R> =>
  Effect.forEach([16, 17, 19, 23, 29, 2048], (steps, n) => Effect.withMaxOpsBeforeYield(round(n), steps), {
    discard: true
  })

/** `Effect.void` is none: a generator goes on without it. */
const aStep = Effect.sync(() => {})

/** Gives the others their turn, and then is `i` steps nearer to doing so again. */
export const turn = (i: number): Effect.Effect<void> =>
  Effect.gen(function* () {
    yield* Effect.yieldNow()
    for (let step = 0; step < i % 32; step++) yield* aStep
  })

/** Starts an operation and interrupts it, after so many turns of the scheduler; where they are many, after real time too. */
export const cutShort = <A, E, R>(operation: Effect.Effect<A, E, R>, turns: number): Effect.Effect<void, never, R> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(operation)
    for (let turn = 0; turn < turns; turn++) yield* Effect.yieldNow()
    if (turns > 5) yield* live(Effect.sleep(turns - 5))
    yield* Fiber.interrupt(fiber)
  })
