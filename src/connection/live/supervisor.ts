/** The supervisor of connections: the clock and the timers that they share, and their fibers. */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Heartbeat from "../heartbeat.js"
import * as ReadDeadline from "../readDeadline.js"

export interface Supervisor {
  readonly clock: Clock.Clock
  readonly heartbeat: Heartbeat.Heartbeat
  readonly readDeadline: ReadDeadline.ReadDeadline
  /** Runs a fiber that its owner supervises. */
  readonly fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
}

/** For connections of one scope, to which their fibers belong. */
export const make: Effect.Effect<Supervisor, never, Scope.Scope> = Effect.map(
  Effect.all([Effect.clock, Heartbeat.make, ReadDeadline.make, Effect.runtime<never>(), Effect.scope]),
  ([clock, heartbeat, readDeadline, runtime, scope]) => ({
    clock,
    heartbeat,
    readDeadline,
    fork: (effect) => Runtime.runFork(runtime)(effect, { scope })
  })
)
