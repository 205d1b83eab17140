/**
 * Where publications go: a log for each topic, from which subscribers recover
 * what they missed, and who is there.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { BrokerUnavailable, KeyReused, TooManyKeys } from "../protocol/ConnectionError.js"
import type { Member, Position, RecoveryReason } from "../protocol/Protocol.js"

/**
 * A publication as a log has it. `payload` is JSON text, `at` milliseconds
 * since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export interface Publication {
  readonly position: Position
  readonly payload: string
  readonly at: number
}

/**
 * The part of a topic's past that is kept: whichever bound is reached first.
 * `age` is in milliseconds, `bytes` in UTF-16 units of the payloads.
 *
 * @since 0.1.0
 * @category models
 */
export interface Retention {
  readonly messages: number
  readonly bytes: number
  readonly age: number
}

/**
 * 1000 messages of 5 minutes, at most 16 MiB of them.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultRetention: Retention = { messages: 1000, bytes: 16 * 1024 * 1024, age: 300_000 }

/**
 * The options of one publication.
 *
 * @since 0.1.0
 * @category models
 */
export interface PublishOptions {
  /**
   * The same key with the same payload again, within the key window, publishes nothing and
   * gives the position of the first; with another payload it fails with `KeyReused`.
   */
  readonly key?: string | undefined
  /** The part that the log keeps from now on. Default `defaultRetention`. */
  readonly retention?: Retention | undefined
  /** The publisher: a broker with room for so many keys refuses those that hold most, with `TooManyKeys`. */
  readonly publisher?: string | undefined
  /** The failure of a key that is not remembered: then nothing is published. */
  readonly ifNew?: TooManyKeys | undefined
}

/**
 * The part of a log that was asked for, complete or refused: never with a gap.
 *
 * - `Complete`: the publications after the position that was asked for, in
 *   order and without a gap, up to `limit` of them; `end` is the end of the log.
 * - `Refused`: they cannot be had, for `reason`.
 *
 * @since 0.1.0
 * @category models
 */
export type History =
  | { readonly _tag: "Complete"; readonly publications: ReadonlyArray<Publication>; readonly end: Position }
  | { readonly _tag: "Refused"; readonly reason: RecoveryReason; readonly end: Position }

/**
 * Hears of a topic. Called synchronously; must not throw.
 *
 * @since 0.1.0
 * @category models
 */
export interface Listener {
  /** Each publication once, in order and without a gap, from the position that `subscribe` gave. */
  readonly published: (publication: Publication) => void
  /** The log could not be followed without a gap, or was lost: it goes on at `position`. */
  readonly reset: (position: Position, reason: RecoveryReason) => void
}

/**
 * The broker's operations. Each is atomic, and answers or fails with
 * `BrokerUnavailable` within a bounded time, which is the broker's to keep. A
 * topic exists as soon as somebody names it.
 *
 * @since 0.1.0
 * @category services
 */
export class Broker extends Context.Tag("holdfast/Broker")<
  Broker,
  {
    /** How long keys are remembered, in milliseconds. */
    readonly keyWindow: number
    /** Appends a JSON text to the topic's log, and gives its position. */
    readonly publish: (
      topic: string,
      payload: string,
      options?: PublishOptions
    ) => Effect.Effect<Position, KeyReused | TooManyKeys | BrokerUnavailable>
    /** Has the listener hear of everything after the position that is given back, until the scope closes. */
    readonly subscribe: (topic: string, listener: Listener) => Effect.Effect<Position, BrokerUnavailable, Scope.Scope>
    /** The publications after `since`; without it, from the oldest that is kept. */
    readonly history: (
      topic: string,
      options: { readonly since?: Position | undefined; readonly limit: number }
    ) => Effect.Effect<History, BrokerUnavailable>
    /**
     * Makes a session this member of a topic, and gives the position of the log `presence` in which that is told: as `Joined`, or as
     * `Changed` where it was another member, and not at all where it was this one. What a lower `generation` of the session says after
     * a higher one changes nothing: gateways that a session moves between may be late.
     */
    readonly join: (
      topic: string,
      presence: string,
      member: Member,
      generation: number
    ) => Effect.Effect<Position, BrokerUnavailable>
    /**
     * Ends a session's membership of a topic, or of all; `after` so many
     * milliseconds, if it has not joined again by then. A gateway asks for the
     * joins and leaves of a session one after the other.
     */
    readonly leave: (
      session: string,
      options: { readonly topic?: string | undefined; readonly after: number }
    ) => Effect.Effect<void, BrokerUnavailable>
    /** The members, and the position of the log in which that is said. */
    readonly members: (
      topic: string,
      presence: string
    ) => Effect.Effect<{ readonly members: ReadonlyArray<Member>; readonly position: Position }, BrokerUnavailable>
    /** Forgets what is too old to keep. A broker whose keys expire by themselves does nothing. */
    readonly expire: Effect.Effect<void, BrokerUnavailable>
    /** Succeeds when the broker can be used now. */
    readonly ready: Effect.Effect<void, BrokerUnavailable>
  }
>() {}
