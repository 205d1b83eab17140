/**
 * The two clocks, and which is for what. A duration is measured on the monotonic one: no step of the system's clock (NTP, a
 * machine that is restored, a board without a battery) shortens or prolongs it. Wall time is for showing, and for times that
 * others have said or that outlive this process. Nothing else in `src` reads a clock.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"

const perMilli = 1_000_000n

/** Whole milliseconds that only ever grow, of this process alone: two of them give a duration, and one says nothing. */
export const monotonic = (clock: Clock.Clock): number => Number(clock.unsafeCurrentTimeNanos() / perMilli)

/** Milliseconds since the epoch, as the system's clock has them now. */
export const wallTime = (clock: Clock.Clock): number => clock.unsafeCurrentTimeMillis()

/** The wall time of an instant of the monotonic clock, for showing: as the system's clock is set now. */
export const toWallTime = (clock: Clock.Clock, at: number): number => wallTime(clock) - (monotonic(clock) - at)

/** The instant of the monotonic clock that a wall time is from now on, whatever becomes of the system's clock. */
export const toMonotonic = (clock: Clock.Clock, at: number): number => monotonic(clock) + (at - wallTime(clock))

/** `monotonic` of the fiber's clock. */
export const monotonicNow: Effect.Effect<number> = Effect.map(Effect.clock, monotonic)

/** `wallTime` of the fiber's clock. */
export const wallTimeNow: Effect.Effect<number> = Effect.map(Effect.clock, wallTime)

/** True where what a fiber sleeps for is no work: a clock that goes on only while there is work to wait for need not wait for it. */
export const isBackground: FiberRef.FiberRef<boolean> = FiberRef.unsafeMake(false)
