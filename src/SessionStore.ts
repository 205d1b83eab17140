/**
 * Where gateways keep what a session needs to be resumed.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Payload } from "./Codec.js"
import { Fenced, type StoreUnavailable } from "./ConnectionError.js"
import type { Subprotocol } from "./Protocol.js"

/**
 * A message to the client that it has not yet acknowledged.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoredMessage {
  readonly seq: number
  readonly payload: Payload
  readonly confirm: boolean
}

/**
 * @since 0.1.0
 * @category models
 */
export interface NewSession {
  readonly id: string
  /** Who it belongs to: a resume must be authenticated as the same. */
  readonly principal: string
  readonly subprotocol: Subprotocol
  readonly secretHash: string
}

/**
 * A session as it stood when it was attached.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoredSession {
  readonly id: string
  readonly generation: number
  readonly principal: string
  readonly subprotocol: Subprotocol
  /** The last message given to `append`. */
  readonly sent: number
  /** The last one that the client has processed, as far as the store was told. */
  readonly acked: number
  /** The last message of the client that was processed. */
  readonly processed: number
  /** The messages in `(acked, sent]`, in order. */
  readonly outbound: ReadonlyArray<StoredMessage>
}

/**
 * Why a session is gone, when there is more to say than "unknown".
 *
 * - `Expired`: not resumed within its window.
 * - `Overflow`: it was sent more than its buffer holds.
 * - `Ended`: the server ended it, for this reason.
 *
 * @since 0.1.0
 * @category models
 */
export type Tombstone =
  | { readonly _tag: "Expired" }
  | { readonly _tag: "Overflow" }
  | { readonly _tag: "Ended"; readonly reason: string }

/**
 * Which sessions `revoke` removes: all of a principal, or one by its id.
 *
 * @since 0.1.0
 * @category models
 */
export type Target = { readonly principal: string } | { readonly session: string }

/**
 * The answer to `attach`. What is gone tells why only to whom it belonged: to others it is a `Mismatch`, as it was while it lived.
 *
 *
 * @since 0.1.0
 * @category models
 */
export type Attached =
  | { readonly _tag: "Attached"; readonly session: StoredSession }
  | { readonly _tag: "Unknown" }
  /** The secret is wrong, or the session belongs to another principal. */
  | { readonly _tag: "Mismatch" }
  /** A later attempt of the same client has attached already. */
  | { readonly _tag: "Superseded" }
  | { readonly _tag: "Gone"; readonly tombstone: Tombstone }

/**
 * The store's operations. All but `create`, `attach` and `revoke` name the generation of
 * their caller and fail with `Fenced` when the session has a newer one: an
 * owner that was taken over can change nothing any more. Operations on a
 * session that is gone are `Fenced` too, and say so. Each operation is atomic, and answers
 * or fails with `StoreUnavailable` within a bounded time, which is the store's to
 * keep.
 *
 * @since 0.1.0
 * @category services
 */
export class SessionStore extends Context.Tag("holdfast/SessionStore")<
  SessionStore,
  {
    /** Keeps a new session, at generation 1 and attached. Its id is new. */
    readonly create: (session: NewSession) => Effect.Effect<void, StoreUnavailable>
    /**
     * Takes a session over, live or not: the compare-and-set of its generation.
     * The secret presented must be the current one or the one before; it becomes
     * the one before, and `nextSecretHash` the current one. `attempt`, if
     * there is one, must be larger than that of every attach before: a hello that was held up must not
     * take the session from the connection that the client has made since.
     */
    readonly attach: (request: {
      readonly id: string
      readonly principal: string
      readonly secretHash: string
      readonly nextSecretHash: string
      readonly attempt: number | undefined
    }) => Effect.Effect<Attached, StoreUnavailable>
    /** The client has shown that it has the current secret: the one before is void. */
    readonly confirm: (id: string, generation: number) => Effect.Effect<void, Fenced | StoreUnavailable>
    /**
     * Appends messages to the client, which follow those appended before without
     * a gap. Those that it has already are ignored: an append whose answer was
     * lost is tried again.
     */
    readonly append: (
      id: string,
      generation: number,
      messages: ReadonlyArray<StoredMessage>
    ) => Effect.Effect<void, Fenced | StoreUnavailable>
    /** Notes what the client has processed (`acked`, releasing it) and what was processed of the client's. Neither goes back. */
    readonly acknowledge: (
      id: string,
      generation: number,
      progress: { readonly acked: number; readonly processed: number }
    ) => Effect.Effect<void, Fenced | StoreUnavailable>
    /** The connection is gone: the session expires `window` milliseconds from now unless it is attached again; at the last of them it still can be. */
    readonly detach: (id: string, generation: number, window: number) => Effect.Effect<void, Fenced | StoreUnavailable>
    /** Forgets the session; a tombstone is kept for a while to tell its client why. */
    readonly remove: (
      id: string,
      generation: number,
      tombstone?: Tombstone
    ) => Effect.Effect<void, Fenced | StoreUnavailable>
    /**
     * Removes the sessions of a target, whatever generation owns them, and leaves this tombstone of each. Tells how many
     * there were; one whose time was over already is not counted, and keeps that as its reason.
     */
    readonly revoke: (target: Target, tombstone: Tombstone) => Effect.Effect<number, StoreUnavailable>
    /** Turns the sessions whose time is over into tombstones, and tells how many. A store whose keys expire by themselves answers 0. */
    readonly expire: Effect.Effect<number, StoreUnavailable>
    /** How many sessions are kept, tombstones not counted. */
    readonly size: Effect.Effect<number, StoreUnavailable>
  }
>() {}

/** What proves that a session is the caller's. */
interface Owner {
  readonly principal: string
  readonly secretHash: string
  readonly previousSecretHash: string | undefined
}

interface Grave extends Owner {
  readonly tombstone: Tombstone
}

interface Record extends Omit<Owner, "secretHash" | "previousSecretHash"> {
  readonly id: string
  readonly subprotocol: Subprotocol
  generation: number
  secretHash: string
  previousSecretHash: string | undefined
  attempt: number
  sent: number
  acked: number
  processed: number
  outbound: Array<StoredMessage>
  /** Milliseconds since the epoch; undefined while attached. */
  expiresAt: number | undefined
}

/**
 * @since 0.1.0
 * @category memory
 */
export interface MemoryOptions {
  /** How many tombstones are kept; the oldest give way. Default 10,000. */
  readonly maxTombstones?: number | undefined
}

/**
 * A store in this process's memory: sessions end with the process.
 *
 * @since 0.1.0
 * @category memory
 */
export const makeMemory = (options?: MemoryOptions): Effect.Effect<Context.Tag.Service<SessionStore>> =>
  Effect.map(Effect.clock, (clock) => {
    const maxTombstones = options?.maxTombstones ?? 10_000
    const records = new Map<string, Record>()
    const tombstones = new Map<string, Grave>()

    const bury = ({ id, previousSecretHash, principal, secretHash }: Record, tombstone: Tombstone): void => {
      records.delete(id)
      tombstones.set(id, { principal, secretHash, previousSecretHash, tombstone })
      if (tombstones.size > maxTombstones) {
        for (const oldest of tombstones.keys()) {
          tombstones.delete(oldest)
          break
        }
      }
    }

    const isExpired = (record: Record): boolean =>
      record.expiresAt !== undefined && clock.unsafeCurrentTimeMillis() > record.expiresAt

    const owns = (
      owner: Owner,
      { principal, secretHash }: { readonly principal: string; readonly secretHash: string }
    ) => principal === owner.principal && (secretHash === owner.secretHash || secretHash === owner.previousSecretHash)

    const owned = (id: string, generation: number, change: (record: Record) => void) =>
      Effect.suspend(() => {
        const record = records.get(id)
        if (record === undefined || record.generation !== generation) {
          return Effect.fail(new Fenced({ id, generation, gone: record === undefined }))
        }
        change(record)
        return Effect.void
      })

    return {
      create: (session) =>
        Effect.sync(() => {
          records.set(session.id, {
            ...session,
            generation: 1,
            previousSecretHash: undefined,
            attempt: 0,
            sent: 0,
            acked: 0,
            processed: 0,
            outbound: [],
            expiresAt: undefined
          })
        }),
      attach: ({ attempt, id, nextSecretHash, principal, secretHash }) =>
        Effect.sync((): Attached => {
          const found = records.get(id)
          if (found !== undefined && isExpired(found)) bury(found, { _tag: "Expired" })
          const record = records.get(id)
          const grave = tombstones.get(id)
          const owner = record ?? grave
          if (owner !== undefined && !owns(owner, { principal, secretHash })) return { _tag: "Mismatch" }
          if (record === undefined) {
            return grave === undefined ? { _tag: "Unknown" } : { _tag: "Gone", tombstone: grave.tombstone }
          }
          if (attempt !== undefined && attempt <= record.attempt) return { _tag: "Superseded" }
          record.attempt = attempt ?? record.attempt
          record.generation++
          record.previousSecretHash = secretHash
          record.secretHash = nextSecretHash
          record.expiresAt = undefined
          const { acked, generation, processed, sent, subprotocol } = record
          return {
            _tag: "Attached",
            session: { id, generation, principal, subprotocol, sent, acked, processed, outbound: [...record.outbound] }
          }
        }),
      confirm: (id, generation) =>
        owned(id, generation, (record) => {
          record.previousSecretHash = undefined
        }),
      append: (id, generation, messages) =>
        owned(id, generation, (record) => {
          for (const message of messages) {
            if (message.seq <= record.sent) continue
            record.outbound.push(message)
            record.sent = message.seq
          }
        }),
      acknowledge: (id, generation, { acked, processed }) =>
        owned(id, generation, (record) => {
          record.processed = Math.max(record.processed, processed)
          if (acked <= record.acked) return
          record.acked = acked
          const first = record.outbound[0]?.seq ?? acked + 1
          record.outbound.splice(0, acked - first + 1)
        }),
      detach: (id, generation, window) =>
        Effect.suspend(() => {
          const found = records.get(id)
          // What is over stays over: its owner must not bring it back.
          if (found?.generation === generation && isExpired(found)) bury(found, { _tag: "Expired" })
          return owned(id, generation, (record) => {
            record.expiresAt = clock.unsafeCurrentTimeMillis() + window
          })
        }),
      remove: (id, generation, tombstone) =>
        owned(id, generation, (record) => {
          if (tombstone === undefined) records.delete(id)
          else bury(record, tombstone)
        }),
      revoke: (target, tombstone) =>
        Effect.sync(() => {
          const found = [...records.values()].filter((record) =>
            "session" in target ? record.id === target.session : record.principal === target.principal
          )
          const living = found.filter((record) => !isExpired(record))
          for (const record of living) bury(record, tombstone)
          return living.length
        }),
      expire: Effect.sync(() => {
        const expired = [...records.values()].filter(isExpired)
        for (const record of expired) bury(record, { _tag: "Expired" })
        return expired.length
      }),
      size: Effect.sync(() => records.size)
    }
  })

/**
 * The memory store, swept every minute for sessions whose gateway did not
 * remove them.
 *
 * @since 0.1.0
 * @category memory
 */
export const layerMemory = (options?: MemoryOptions): Layer.Layer<SessionStore> =>
  Layer.scoped(
    SessionStore,
    Effect.tap(makeMemory(options), (store) =>
      Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep(Duration.minutes(1)), Effect.orDie(store.expire))))
    )
  )
