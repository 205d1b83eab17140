/**
 * The application's own messages, typed by Schema once for both ends.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The messages of clients, and those of the server. Both ends are given the same
 * value; the Schemas' encoded sides must be JSON for `holdfast.v1.json`.
 * Schemas run synchronously and need no services.
 *
 * @since 0.1.0
 * @category models
 */
export interface Messages<Client, Server> {
  readonly client: Typed<Client>
  readonly server: Typed<Server>
}

/**
 * A Schema, whatever its encoded form.
 *
 * @since 0.1.0
 * @category models
 */
// biome-ignore lint/suspicious/noExplicitAny: Schema is invariant in the encoded form
export type Typed<A> = Schema.Schema<A, any>

/**
 * Pairs the Schema of the clients' messages with that of the server's.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <Client, CI, Server, SI>(messages: {
  readonly client: Schema.Schema<Client, CI>
  readonly server: Schema.Schema<Server, SI>
}): Messages<Client, Server> => messages

/**
 * Any JSON value, both ways, unchecked.
 *
 * @since 0.1.0
 * @category constructors
 */
export const json: Messages<unknown, unknown> = make({ client: Schema.Unknown, server: Schema.Unknown })

/**
 * The decision about a message that does not decode: refuse it and go on, or end
 * the session.
 *
 * @since 0.1.0
 * @category models
 */
export type InvalidDecision = "Continue" | "End"
