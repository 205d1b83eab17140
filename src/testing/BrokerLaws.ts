/**
 * The laws of a `Broker`, for any implementation of it and any test runner:
 * every promise of the service's documentation, as something that can be seen
 * to fail.
 *
 * @since 0.1.0
 */
import type * as Layer from "effect/Layer"
import { Broker } from "../topic/Broker.js"
import { lawsOf } from "./internal/bench.js"
import { keys } from "./internal/brokerLaws/keys.js"
import { listeners } from "./internal/brokerLaws/listeners.js"
import { logs } from "./internal/brokerLaws/logs.js"
import { members } from "./internal/brokerLaws/members.js"
import { recovery } from "./internal/brokerLaws/recovery.js"
import type * as Law from "./Law.js"

/**
 * The laws, each to be run by itself. The layer is built for every law, twice
 * with `nodes: 2`; it need not be empty then, since a law uses topics and
 * sessions that nobody else does, and leaves them behind. Under the live clock
 * give it a `keyWindow` of at most 10 units, or the end of the window is not looked at.
 *
 * @since 0.1.0
 * @category laws
 */
export const make = <E = never>(layer: Layer.Layer<Broker, E>, options: Law.Options = {}): ReadonlyArray<Law.Law<E>> =>
  lawsOf(Broker, [...logs, ...recovery, ...keys, ...listeners, ...members], layer, options)

/**
 * Gives every law to a test runner, by its name.
 *
 * @example
 * ```ts
 * import { it } from "@effect/vitest"
 * import { Broker } from "holdfast"
 * import { BrokerLaws } from "holdfast/testing"
 *
 * BrokerLaws.suite(Broker.layerMemory(), (law, holds) => it.effect(law, () => holds))
 * ```
 *
 * @since 0.1.0
 * @category laws
 */
export const suite = <E = never>(
  layer: Layer.Layer<Broker, E>,
  register: Law.Register<E>,
  options: Law.Options = {}
): void => {
  for (const { holds, name } of make(layer, options)) register(name, holds)
}
