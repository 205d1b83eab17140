/**
 * A platform's knowledge of interruptions that no socket tells: the network has
 * come back, the page was frozen or is being left. That the machine has slept,
 * or that its clock was set, clients and gateways find out by themselves.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

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
 * The one who tells clients. By default there is nobody: their own deadlines, and their looks at the clocks, find out.
 *
 * @since 0.1.0
 * @category services
 */
export class HostEvents extends Context.Reference<HostEvents>()("holdfast/HostEvents", {
  defaultValue: (): Service => ({ listen: () => Effect.void })
}) {}
