/**
 * A platform's knowledge of interruptions that no socket tells: the machine has
 * slept, the network has come back, the page is being left.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { monotonicNow, wallTimeNow } from "./clocks.js"

/**
 * - `Awake`: what was so a moment ago may not be so any more. A client that waits to try again tries now, unless its server
 *   has asked for the delay; one whose attempt is under way gives it up for another. Both at once, and then a second later, or
 *   more while none succeeds. One that is Ready judges its read deadline now, and has the server answer a ping within `helloTimeout`.
 * - `Leaving`: nothing of this program may run for a while, or ever again. A client lets its connection go, and keeps its
 *   session; it tries again as after any loss.
 *
 * @since 0.1.0
 * @category models
 */
export type HostEvent = "Awake" | "Leaving"

/**
 * A source of host events; each listener hears all of them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Calls back, synchronously, until the scope closes. */
  readonly listen: (listener: (event: HostEvent) => void) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * The one who tells clients. By default there is nobody: their own deadlines find out.
 *
 * @since 0.1.0
 * @category services
 */
export class HostEvents extends Context.Reference<HostEvents>()("holdfast/HostEvents", {
  defaultValue: (): Service => ({ listen: () => Effect.void })
}) {}

/** In milliseconds. */
const lookEvery = 5000
/** A timer that is so late has not been so by itself, and clocks that are so far apart have not gone apart by themselves. */
const tolerance = 2000

const both = Effect.zipWith(monotonicNow, wallTimeNow, (monotonic, wall) => ({ monotonic, wall }))

/**
 * Tells `Awake` when the machine has slept, or this program was stopped: a look at the clocks, every 5 seconds, comes more than 2
 * seconds late, or wall time and monotonic time have gone so far apart. (On some systems a machine's sleep counts in monotonic
 * time, and so in its timers, and on others it does not: a read deadline comes by so much too late there. A clock that was set
 * looks the same; then all is well, and whoever is asked says so.)
 *
 * @since 0.1.0
 * @category implementations
 */
export const clockJumps: Service = {
  listen: (listener) => {
    const look = Effect.gen(function* () {
      const before = yield* both
      yield* Effect.sleep(lookEvery)
      const after = yield* both
      const passed = after.monotonic - before.monotonic
      const apart = after.wall - before.wall - passed
      if (passed - lookEvery > tolerance || Math.abs(apart) > tolerance) listener("Awake")
    })
    return Effect.asVoid(Effect.forkScoped(Effect.forever(look)))
  }
}

/**
 * `clockJumps` for programs on laptops and the like; `holdfast/browser` has it, and what else a page knows.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerClockJumps: Layer.Layer<HostEvents> = Layer.succeed(HostEvents, clockJumps)
