/**
 * The laws of a service, which whoever implements it runs on it: what the
 * conformance suites `SessionStoreLaws` and `BrokerLaws` share.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"

/**
 * An implementation broke a law: what was done, what the contract says must be
 * found then, and what was found. `expected` and `actual` are shown as text and
 * bounded, so that a failure can be read; `cause` is what an operation failed
 * or died with, where it did.
 *
 * @since 0.1.0
 * @category errors
 */
export class LawBroken extends Data.TaggedError("LawBroken")<{
  readonly law: string
  readonly did: string
  readonly expected: string
  readonly actual: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return `the law “${this.law}” is broken\n  looked at: ${this.did}\n  expected:  ${this.expected}\n  found:     ${this.actual}`
  }
}

/**
 * One law of an implementation: it holds when the effect succeeds. The effect
 * builds the implementation, brings its own clock, and needs nothing, so any
 * runner runs it. `E` is what building the implementation fails with.
 *
 * @since 0.1.0
 * @category models
 */
export interface Law<E = never> {
  readonly name: string
  readonly holds: Effect.Effect<void, LawBroken | E>
}

/**
 * Gives a law to a test runner.
 *
 * @since 0.1.0
 * @category models
 */
export type Register<E = never> = (law: string, holds: Effect.Effect<void, LawBroken | E>) => unknown

/**
 * The terms on which an implementation is judged.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * Whose time the implementation keeps. `test`, the default: Effect's Clock,
   * so that laws pass their time at once, under a TestClock of their own.
   * `live`: a server's, so that they wait for it. Laws about the exact
   * millisecond say `(exact)` in their name, and are left out then.
   */
  readonly clock?: "test" | "live" | undefined
  /**
   * The unit that all times of the laws are multiples of. Default 1 second, and 100
   * milliseconds under the live clock, where a law about time allows for one unit
   * that the network and a busy machine take: one that seems broken when they
   * took more is tried again, with units twice, four and eight times as long.
   */
  readonly unit?: Duration.DurationInput | undefined
  /**
   * As how many nodes each law acts. 2: the layer is built twice, and the two
   * instances must share their data, as two that are connected to one server
   * do. Default 1: one instance plays both.
   */
  readonly nodes?: 1 | 2 | undefined
  /**
   * True when nobody else uses the data meanwhile, other laws included. Default true; when false, laws
   * about totals ask less.
   */
  readonly isAlone?: boolean | undefined
  /**
   * How long, in real time, news may take from one node to another. A law that
   * takes ten times as long has hung, and is broken. Default 2 seconds.
   */
  readonly patience?: Duration.DurationInput | undefined
}
