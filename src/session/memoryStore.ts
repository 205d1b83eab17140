/** The session store in memory. */
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { monotonic } from "../connection/clocks.js"
import { Fenced } from "../protocol/ConnectionError.js"
import type { Subprotocol } from "../protocol/Protocol.js"
import { Mailbox } from "./memoryMailbox.js"
import { NodeList } from "./memoryNodes.js"
import { operation } from "./operation.js"
import {
  type Attached,
  type AttachRequest,
  type Invitation,
  type Loss,
  type Progress,
  type RefusedMessage,
  SessionStore,
  type StoredMessage,
  type Tombstone,
  type Watcher
} from "./sessionStoreService.js"

/**
 * The options of the store in memory.
 *
 * @since 0.1.0
 * @category memory
 */
export interface MemoryOptions {
  /** How many tombstones are kept; the oldest give way. Default 10,000. */
  readonly maxTombstones?: number | undefined
  /** Time after which a gateway that says nothing is taken for dead. Default 30 seconds. */
  readonly lease?: Duration.DurationInput | undefined
}

const defaultLease = "30 seconds"

/** The proof that a session is the caller's. */
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
  refused: ReadonlyArray<RefusedMessage>
  invitations: ReadonlyArray<Invitation>
  /** On the monotonic clock; undefined while attached. */
  expiresAt: number | undefined
  /** Made when the first mail comes. */
  mailbox: Mailbox | undefined
}

/** Those that come again are there already. */
const withRefused = (record: Record, { messages, most }: NonNullable<Progress["refused"]>) =>
  [...record.refused, ...messages.filter(({ seq }) => seq > record.processed)].slice(-most)

/**
 * A store in this process's memory: sessions end with the process. Several gateways may share it.
 *
 * @since 0.1.0
 * @category memory
 */
export const make = (options?: MemoryOptions): Effect.Effect<Context.Tag.Service<SessionStore>> =>
  Effect.map(Effect.clock, (clock) => {
    const maxTombstones = options?.maxTombstones ?? 10_000
    const records = new Map<string, Record>()
    const tombstones = new Map<string, Grave>()
    const watchers = new Set<Watcher>()
    const nodes = new NodeList(Duration.toMillis(options?.lease ?? defaultLease), () => monotonic(clock))

    /** The last thing that an operation does: who hears of it may ask for more at once. */
    const tell = ({ id }: Record, generation: number, loss: Loss): void => {
      for (const watcher of watchers) watcher.lost(id, generation, loss)
    }

    const forget = (record: Record, tombstone: Tombstone | undefined): void => {
      records.delete(record.id)
      tell(record, record.generation, { _tag: "Removed", tombstone })
    }

    const bury = (record: Record, tombstone: Tombstone): void => {
      const { id, previousSecretHash, principal, secretHash } = record
      tombstones.set(id, { principal, secretHash, previousSecretHash, tombstone })
      if (tombstones.size > maxTombstones) {
        for (const oldest of tombstones.keys()) {
          tombstones.delete(oldest)
          break
        }
      }
      forget(record, tombstone)
    }

    const isExpired = (record: Record): boolean => record.expiresAt !== undefined && monotonic(clock) > record.expiresAt

    const kept = (id: string): Record | undefined => {
      const record = records.get(id)
      return record === undefined || isExpired(record) ? undefined : record
    }

    const owns = (
      owner: Owner,
      { principal, secretHash }: { readonly principal: string; readonly secretHash: string }
    ) => principal === owner.principal && (secretHash === owner.secretHash || secretHash === owner.previousSecretHash)

    const owned = <A>(id: string, generation: number, use: (record: Record) => A): Exit.Exit<A, Fenced> => {
      const record = records.get(id)
      if (record?.generation === generation) return Exit.succeed(use(record))
      // What a newer generation owned is not here: nobody has that.
      return Exit.fail(new Fenced({ id, generation, gone: record === undefined || generation > record.generation }))
    }

    const attach = ({ attempt, id, nextSecretHash, principal, secretHash }: AttachRequest): Attached => {
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
      const { acked, generation, invitations, processed, refused, sent, subprotocol } = record
      const [outbound, mail] = [[...record.outbound], record.mailbox?.after(0) ?? []]
      tell(record, generation - 1, { _tag: "TakenOver" })
      return {
        _tag: "Attached",
        session: {
          id,
          generation,
          principal,
          subprotocol,
          sent,
          acked,
          processed,
          outbound,
          mail,
          refused,
          invitations
        }
      }
    }

    return {
      create: operation((session) => {
        records.set(session.id, {
          ...session,
          generation: 1,
          previousSecretHash: undefined,
          attempt: 0,
          sent: 0,
          acked: 0,
          processed: 0,
          outbound: [],
          refused: [],
          invitations: [],
          expiresAt: undefined,
          mailbox: undefined
        })
        return Exit.void
      }),
      attach: operation((request) => Exit.succeed(attach(request))),
      confirm: operation((id, generation) =>
        owned(id, generation, (record) => {
          record.previousSecretHash = undefined
        })
      ),
      append: operation((id, generation, messages) =>
        owned(id, generation, (record) => {
          for (const message of messages) {
            if (message.seq <= record.sent) continue
            if (message.mail !== undefined) record.mailbox?.take(message.mail)
            record.outbound.push(message)
            record.sent = message.seq
          }
        })
      ),
      acknowledge: operation((id, generation, { acked, invitations, mail, processed, refused }) =>
        owned(id, generation, (record) => {
          if (refused !== undefined) record.refused = withRefused(record, refused)
          if (invitations !== undefined) record.invitations = invitations
          if (mail !== undefined) record.mailbox?.take(mail)
          record.processed = Math.max(record.processed, processed)
          if (acked <= record.acked) return
          record.acked = acked
          const first = record.outbound[0]?.seq ?? acked + 1
          record.outbound.splice(0, acked - first + 1)
        })
      ),
      detach: (id, generation, window) =>
        Effect.suspend(() => {
          const found = records.get(id)
          // What is over stays over: its owner must not bring it back.
          if (found?.generation === generation && isExpired(found)) bury(found, { _tag: "Expired" })
          return owned(id, generation, (record) => {
            record.expiresAt = monotonic(clock) + window
          })
        }),
      remove: (id, generation, tombstone) =>
        Effect.suspend(() =>
          owned(id, generation, (record) => {
            if (tombstone === undefined) forget(record, undefined)
            else bury(record, tombstone)
          })
        ),
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
      size: Effect.sync(() => records.size),
      watch: (watcher) => {
        // Of its own, so that the same watcher may watch twice.
        const own = { ...watcher }
        return Effect.acquireRelease(
          Effect.sync(() => void watchers.add(own)),
          () => Effect.sync(() => void watchers.delete(own))
        )
      },
      find: (id) =>
        Effect.sync(() => {
          const record = kept(id)
          return record && { principal: record.principal, subprotocol: record.subprotocol }
        }),
      sessionsOf: (principal) =>
        Effect.sync(() =>
          [...records.values()].flatMap((record) =>
            record.principal === principal && !isExpired(record) ? [record.id] : []
          )
        ),
      post: (id, mail, bounds) =>
        Effect.sync(() => {
          const record = kept(id)
          if (record === undefined) return "Unknown"
          record.mailbox ??= new Mailbox()
          const posted = record.mailbox.post(mail, bounds)
          if (posted === "Posted") for (const watcher of watchers) watcher.mail(id)
          return posted
        }),
      collect: (id, generation, after) =>
        Effect.suspend(() => owned(id, generation, (record) => record.mailbox?.after(after) ?? [])),
      announce: (node) => Effect.sync(() => nodes.announce(node)),
      withdraw: (node) => Effect.sync(() => nodes.withdraw(node)),
      nodes: Effect.sync(() => nodes.living),
      lease: nodes.lease,
      ready: Effect.void
    }
  })

/**
 * The memory store, swept every minute for sessions whose gateway did not
 * remove them.
 *
 * @since 0.1.0
 * @category memory
 */
export const layer = (options?: MemoryOptions): Layer.Layer<SessionStore> =>
  Layer.scoped(
    SessionStore,
    Effect.tap(make(options), (store) =>
      Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep(Duration.minutes(1)), Effect.orDie(store.expire))))
    )
  )
