/**
 * The store in which gateways keep what a session needs to be resumed.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Payload } from "../protocol/Codec.js"
import type { Fenced, StoreUnavailable } from "../protocol/ConnectionError.js"
import type { Position, Subprotocol } from "../protocol/Protocol.js"
import type { Operation } from "./operation.js"

export { type Operation, operation } from "./operation.js"

/**
 * A message that another gateway left for a session, or an order to the gateway that it lives on; numbered from 1 for each session.
 *
 * @since 0.1.0
 * @category models
 */
export interface Mail {
  readonly number: number
  readonly payload: Payload
  /** True for an order, whose payload is JSON text; it is not sent. */
  readonly isOrder: boolean
}

/**
 * A topic that a session is invited to, and from where.
 *
 * @since 0.1.0
 * @category models
 */
export interface Invitation {
  readonly topic: string
  readonly since: Position | "oldest"
}

/**
 * A message to the client that it has not yet acknowledged.
 *
 * @since 0.1.0
 * @category models
 */
export interface StoredMessage {
  readonly seq: number
  readonly payload: Payload
  /** The client is asked to acknowledge it at once. */
  readonly confirm: boolean
  /**
   * The mail that it was made of: appending the message takes that mail, and all before, out of the mailbox. A store need
   * not give it back.
   */
  readonly mail?: number | undefined
}

/**
 * A session that begins, as `create` is given it.
 *
 * @since 0.1.0
 * @category models
 */
export interface NewSession {
  readonly id: string
  /** Its owner: a resume must be authenticated as the same. */
  readonly principal: string
  /** The encoding of its payloads: a client of the other one cannot resume it. */
  readonly subprotocol: Subprotocol
  /** The hash of its first resume secret. */
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
  /** The one that it was given by this attach. */
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
  /** Left for it and not yet appended, in order. */
  readonly mail: ReadonlyArray<Mail>
  /** The client's messages that were refused, as far as they are kept, in order. */
  readonly refused: ReadonlyArray<RefusedMessage>
  /** The topics that the server has invited it to, as they were last noted. */
  readonly invitations: ReadonlyArray<Invitation>
}

/**
 * Why a session is gone, when there is more to say than "unknown".
 *
 * - `Expired`: not resumed within its window.
 * - `Overflow`: it was sent more than its buffer holds.
 * - `Ended`: the server ended it, for this reason; `final` where its client may not begin another.
 *
 * @since 0.1.0
 * @category models
 */
export type Tombstone =
  | { readonly _tag: "Expired" }
  | { readonly _tag: "Overflow" }
  | { readonly _tag: "Ended"; readonly reason: string; readonly final: boolean }

/**
 * Which sessions `revoke` removes: all of a principal, or one by its id.
 *
 * @since 0.1.0
 * @category models
 */
export type Target = { readonly principal: string } | { readonly session: string }

/**
 * A request for a session, with the hash of its next secret.
 *
 * @since 0.1.0
 * @category models
 */
export interface AttachRequest {
  readonly id: string
  /** The caller, as it was authenticated. */
  readonly principal: string
  /** Of the secret that it presented. */
  readonly secretHash: string
  readonly nextSecretHash: string
  /** The client's count of its attempts; undefined where it keeps none. */
  readonly attempt: number | undefined
}

/**
 * A message of the client that was refused, and counts as processed: the client is told the code and the reason.
 *
 * @since 0.1.0
 * @category models
 */
export interface RefusedMessage {
  readonly seq: number
  readonly code: string
  readonly reason: string
}

/**
 * The progress of a session: what the client and the application have processed, mail that is dropped, and which of the messages that are
 * processed now were refused. Of those the latest `most` are kept with the session; those up to what was processed before are there
 * already. `invitations`, where they are given, take the place of those before.
 *
 * @since 0.1.0
 * @category models
 */
export interface Progress {
  readonly acked: number
  readonly processed: number
  readonly mail?: number | undefined
  readonly refused?: { readonly messages: ReadonlyArray<RefusedMessage>; readonly most: number } | undefined
  readonly invitations?: ReadonlyArray<Invitation> | undefined
}

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
 * The loss of a session to the owner of a generation.
 *
 * - `TakenOver`: a newer generation owns the session.
 * - `Removed`: the session is gone, and this is what is left of it.
 *
 * @since 0.1.0
 * @category models
 */
export type Loss =
  | { readonly _tag: "TakenOver" }
  | { readonly _tag: "Removed"; readonly tombstone: Tombstone | undefined }

/**
 * Hears of the sessions that were created or attached through the same store instance, and perhaps of others. Called
 * synchronously; must not throw. What it hears are hints: they may come late, twice or not at all, fencing decides.
 *
 * @since 0.1.0
 * @category models
 */
export interface Watcher {
  /** This generation of the session, and all before, own it no more. */
  readonly lost: (id: string, generation: number, loss: Loss) => void
  /** There may be mail for the session. */
  readonly mail: (id: string) => void
}

/**
 * The entry of a gateway in the list of those that live. Times are milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export interface NodeInfo {
  /** New with each start of the gateway. */
  readonly id: string
  /** The URL that its clients dial. */
  readonly address: string
  /** When it started. */
  readonly since: number
  readonly connections: number
  /** Those that live there, connected or within their resume window. */
  readonly sessions: number
}

/**
 * The store's operations. Those that an owner asks for name the generation of
 * their caller and fail with `Fenced` when the session has another one: an
 * owner that was taken over can change nothing any more. Operations on a
 * session that is gone are `Fenced` too, and say so. Each operation is atomic, and answers
 * or fails with `StoreUnavailable` within a bounded time, which is the store's to
 * keep.
 *
 * What a gateway asks for each connection and message is an `Operation`: a store that need not wait may offer it as a plain
 * function as well, made with `operation`, and is then asked without a fiber.
 *
 * @since 0.1.0
 * @category services
 */
export class SessionStore extends Context.Tag("holdfast/SessionStore")<
  SessionStore,
  {
    /** Keeps a new session, at generation 1 and attached. Its id is new. */
    readonly create: Operation<[session: NewSession], void, StoreUnavailable>
    /**
     * Takes a session over, live or not: the compare-and-set of its generation.
     * The secret presented must be the current one or the one before; it becomes
     * the one before, and `nextSecretHash` the current one. `attempt`, if
     * there is one, must be larger than that of every attach before: a hello that was held up must not
     * take the session from the connection that the client has made since.
     */
    readonly attach: Operation<[request: AttachRequest], Attached, StoreUnavailable>
    /** The client has shown that it has the current secret: the one before is void. */
    readonly confirm: Operation<[id: string, generation: number], void, Fenced | StoreUnavailable>
    /**
     * Appends messages to the client, which follow those appended before without
     * a gap. Those that it has already are ignored: an append whose answer was
     * lost is tried again. The mail that the others were made of leaves the mailbox with it.
     */
    readonly append: Operation<
      [id: string, generation: number, messages: ReadonlyArray<StoredMessage>],
      void,
      Fenced | StoreUnavailable
    >
    /**
     * Notes what the client has processed (`acked`, releasing it) and what was processed of the client's. Neither goes back.
     * The mail up to `mail`, if that is given, leaves the mailbox: it is larger than the client takes, or an order that was carried out.
     * What was `refused`, and the `invitations`, are noted in the same step.
     */
    readonly acknowledge: Operation<
      [id: string, generation: number, progress: Progress],
      void,
      Fenced | StoreUnavailable
    >
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
    /** How many sessions are kept, tombstones not counted; those that have expired are, until they are found. */
    readonly size: Effect.Effect<number, StoreUnavailable>
    /** Tells the watcher what becomes of sessions from now on, until the scope closes. */
    readonly watch: (watcher: Watcher) => Effect.Effect<void, never, Scope.Scope>
    /** A session that is kept (not a tombstone), wherever it lives. */
    readonly find: (
      id: string
    ) => Effect.Effect<{ readonly principal: string; readonly subprotocol: Subprotocol } | undefined, StoreUnavailable>
    /** The sessions of a principal that are kept, wherever they live; it may name some that have just ended. */
    readonly sessionsOf: (principal: string) => Effect.Effect<ReadonlyArray<string>, StoreUnavailable>
    /**
     * Leaves a message, or an order, for a session in its mailbox, whoever owns it, and tells that owner. The same key again within a
     * minute (memory: among the last 1024 of the session) leaves nothing. `Full`: the mailbox would hold more than
     * `messages`, or `bytes` of payloads; one message always fits an empty mailbox. `Unknown`: no such session is kept.
     */
    readonly post: (
      id: string,
      mail: { readonly key: string; readonly payload: Payload; readonly isOrder?: boolean | undefined },
      bounds: { readonly messages: number; readonly bytes: number }
    ) => Effect.Effect<"Posted" | "Full" | "Unknown", StoreUnavailable>
    /** The mail of a session after this number, in order. It stays until messages made of it are appended, or it is dropped. */
    readonly collect: (
      id: string,
      generation: number,
      after: number
    ) => Effect.Effect<ReadonlyArray<Mail>, Fenced | StoreUnavailable>
    /** Says what a gateway holds. It is forgotten when it has not been said again within `lease` milliseconds. */
    readonly announce: (node: NodeInfo) => Effect.Effect<void, StoreUnavailable>
    /** Forgets a gateway, by its id. */
    readonly withdraw: (node: string) => Effect.Effect<void, StoreUnavailable>
    /** The gateways on this store, by id. */
    readonly nodes: Effect.Effect<ReadonlyArray<NodeInfo>, StoreUnavailable>
    /** Milliseconds after which a gateway that says nothing is taken for dead. */
    readonly lease: number
    /** Succeeds when the store can be used now. */
    readonly ready: Effect.Effect<void, StoreUnavailable>
  }
>() {}
