/**
 * The laws of a `SessionStore`, for any implementation of it and any test
 * runner: every promise of the service's documentation, as something that can
 * be seen to fail.
 *
 * @since 0.1.0
 */
import type * as Layer from "effect/Layer"
import { SessionStore } from "../session/SessionStore.js"
import { lawsOf } from "./internal/bench.js"
import { attaching } from "./internal/storeLaws/attaching.js"
import { concurrency } from "./internal/storeLaws/concurrency.js"
import { ending } from "./internal/storeLaws/ending.js"
import { immediately } from "./internal/storeLaws/immediate.js"
import { mailing } from "./internal/storeLaws/mail.js"
import { nodes } from "./internal/storeLaws/nodes.js"
import { ordering } from "./internal/storeLaws/orders.js"
import { progress } from "./internal/storeLaws/progress.js"
import { revoking } from "./internal/storeLaws/revoking.js"
import { watched } from "./internal/storeLaws/watching.js"
import type * as Law from "./Law.js"

/**
 * The laws, each to be run by itself. The layer is built for every law, twice
 * with `nodes: 2`; it need not be empty then, since a law uses ids and
 * principals that nobody else does, and leaves them behind. A store whose operations offer `immediate` is judged by that
 * as well: once more, with the layer built anew.
 *
 * @since 0.1.0
 * @category laws
 */
export const make = <E = never>(
  layer: Layer.Layer<SessionStore, E>,
  options: Law.Options = {}
): ReadonlyArray<Law.Law<E>> =>
  lawsOf(
    SessionStore,
    [...attaching, ...progress, ...ending, ...revoking, ...concurrency, ...mailing, ...ordering, ...watched, ...nodes],
    layer,
    options,
    { name: "by `immediate`", of: immediately }
  )

/**
 * Gives every law to a test runner, by its name.
 *
 * @example
 * ```ts
 * import { it } from "@effect/vitest"
 * import { SessionStore } from "holdfast"
 * import { SessionStoreLaws } from "holdfast/testing"
 *
 * SessionStoreLaws.suite(SessionStore.layerMemory(), (law, holds) => it.effect(law, () => holds))
 * ```
 *
 * @example
 * ```ts
 * // `test` is that of node:test here, or of any runner that takes a promise.
 * import { Effect } from "effect"
 * import { SessionStore } from "holdfast"
 * import { SessionStoreLaws } from "holdfast/testing"
 *
 * // By the real clock, as for a server's; with `nodes: 2` as well where two instances share their data.
 * SessionStoreLaws.suite(SessionStore.layerMemory(), (law, holds) => test(law, () => Effect.runPromise(holds)), {
 *   clock: "live"
 * })
 * ```
 *
 * @since 0.1.0
 * @category laws
 */
export const suite = <E = never>(
  layer: Layer.Layer<SessionStore, E>,
  register: Law.Register<E>,
  options: Law.Options = {}
): void => {
  for (const { holds, name } of make(layer, options)) register(name, holds)
}
