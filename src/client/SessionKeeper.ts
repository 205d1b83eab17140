/**
 * The place where a client keeps its session beyond its own life, so that a page that is
 * loaded again resumes it. With a keeper the end of a client's scope does not
 * end its session, which the next client goes on with; `close` does.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Payload } from "../protocol/Codec.js"
import type { Subprotocol } from "../protocol/Protocol.js"

/**
 * A message that was accepted, and that the server has not processed as far as
 * this end has heard.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeptMessage {
  readonly seq: number
  readonly payload: Payload
  /** The server is asked to acknowledge it at once. */
  readonly confirm: boolean
}

/**
 * The state of a session that a client needs to go on with it.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeptState {
  /** The name and the secret that the server knows the session by; `undefined` before the first welcome. It is as good as a password while the session lives. */
  readonly ticket: { readonly session: string; readonly secret: string } | undefined
  /** How often it was asked to be resumed. */
  readonly attempts: number
  /** The last message that the server has processed. */
  readonly acknowledged: number
  /** The last message of the server that was processed here. */
  readonly processed: number
  /** The topics that the session is subscribed to. */
  readonly topics: ReadonlyArray<string>
}

/**
 * A session that was kept: the messages are those after `acknowledged`, in order and
 * without a gap.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeptSession extends KeptState {
  readonly messages: ReadonlyArray<KeptMessage>
}

/**
 * Keeps one session. Called synchronously, and must not throw: what is kept is
 * kept when the call returns, and a keeper that fails forgets everything, says
 * so once by `failed`, and keeps nothing from then on.
 *
 * @since 0.1.0
 * @category models
 */
export interface Keeper {
  /** The session that an earlier client has left. */
  readonly found: KeptSession | undefined
  /** True while the session is this client's still: never that of two at once. Once it is not, what is kept is ignored. */
  readonly isMine: () => boolean
  /** Keeps this state in place of the one before. */
  readonly keep: (state: KeptState) => void
  /** Keeps one more message. */
  readonly add: (message: KeptMessage) => void
  /** The server has processed the messages up to this one. */
  readonly remove: (upTo: number) => void
  /** The message of this number is given up, and each that was added after it has a number that is lower by one: both in one step. */
  readonly withdraw: (seq: number) => void
  /** Forgets the session and its messages; another one may follow. */
  readonly forget: () => void
}

/**
 * Opens the keepers of a program's clients.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** The keeper for one client, which has it until the scope closes; `undefined` where nothing is kept. */
  readonly open: (options: {
    /** Payloads are of this encoding; what was kept in another is of no use. */
    readonly subprotocol: Subprotocol
    /** Nothing is kept any more, and why. */
    readonly failed: (cause: unknown) => void
  }) => Effect.Effect<Keeper | undefined, never, Scope.Scope>
}

/**
 * By default a session ends with its client's process.
 *
 * @since 0.1.0
 * @category services
 */
export class SessionKeeper extends Context.Reference<SessionKeeper>()("holdfast/SessionKeeper", {
  defaultValue: (): Service => ({ open: () => Effect.succeed(undefined) })
}) {}
