/** The limits of a peer before it has said what it wants, as options of an `http.Server`. */
import type * as Http from "node:http"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { countOf, millisOf } from "../../connection/options/optionRules.js"
import type { InvalidOption } from "../../protocol/ConnectionError.js"

/** Node's own, for a whole request with its body. */
const requestTimeout = 300_000

export const resolve = (options: {
  readonly maxHeaderSize?: number | undefined
  readonly headersTimeout?: Duration.DurationInput | undefined
}): Effect.Effect<Http.ServerOptions, InvalidOption> =>
  Effect.gen(function* () {
    const headersTimeout = yield* millisOf("headersTimeout", options.headersTimeout ?? 10_000)
    return {
      maxHeaderSize: yield* countOf("maxHeaderSize", options.maxHeaderSize ?? 16 * 1024),
      headersTimeout,
      // How often Node looks for requests that are late: so late does the answer come at most.
      connectionsCheckingInterval: Math.min(Math.ceil(headersTimeout / 10), 1_000),
      // Node takes none that is shorter than the headers' part of it.
      requestTimeout: Math.max(requestTimeout, headersTimeout)
    }
  })
