/**
 * Sessions in Redis: any gateway resumes any session.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { millisOf } from "../connection/optionRules.js"
import { Fenced, type InvalidOption, StoreUnavailable } from "../protocol/ConnectionError.js"
import type { Subprotocol } from "../protocol/Protocol.js"
import { Credentials } from "../session/Credentials.js"
import {
  type Attached,
  type Loss,
  type Mail,
  type NodeInfo,
  SessionStore,
  type StoredMessage,
  type Target,
  type Tombstone,
  type Watcher
} from "../session/SessionStore.js"
import { slotOf } from "./internal/hashSlot.js"
import { escape, tagged, unescape } from "./internal/keys.js"
import * as nodeChannel from "./internal/store/nodeChannel.js"
import { type Argument, type Call, type Script, say } from "./internal/script.js"
import * as index from "./internal/store/sessionIndex.js"
import { SessionLeases } from "./internal/store/sessionLeases.js"
import * as scripts from "./internal/store/sessionScripts.js"
import * as storedItem from "./internal/store/storedItem.js"
import { RedisConnection } from "./RedisConnection.js"

type Store = Context.Tag.Service<SessionStore>

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * Time after which a session is forgotten whose gateway has died without a word, renewed at a third of it. Its client
   * can come back for two thirds of it at least: let that be more than the gateway's `resumeWindow`. Default 5 minutes.
   */
  readonly lease?: Duration.DurationInput | undefined
  /** Time that it is remembered why a session is gone. Default 10 minutes. */
  readonly tombstones?: Duration.DurationInput | undefined
  /** Time after which a gateway that says nothing is taken for dead. Default 30 seconds. */
  readonly nodeLease?: Duration.DurationInput | undefined
}

interface Resolved {
  readonly lease: number
  readonly tombstones: number
  readonly nodeLease: number
}

/** Among how many sets all sessions are counted. */
const countBuckets = 64

/** Milliseconds in which mail with the same key is left once. */
const mailWindow = 60_000

class RedisStore {
  private readonly watchers = new Set<Watcher>()
  readonly leases: SessionLeases

  constructor(
    private readonly redis: Context.Tag.Service<RedisConnection>,
    private readonly node: string,
    private readonly options: Resolved,
    now: () => number
  ) {
    this.leases = new SessionLeases(options.lease / 3, now, (id, { generation, principal }) =>
      this.renew(id, generation, principal)
    )
  }

  // ---- names

  private session(id: string): ReadonlyArray<string> {
    const name = tagged(this.redis.prefix, "s", id)
    return [name, `${name}:o`, `${name}:b`]
  }

  private channelOf(node: string): string {
    return tagged(this.redis.prefix, "n", node)
  }

  get channel(): string {
    return this.channelOf(this.node)
  }

  // ---- asking

  private run(
    script: Script,
    keys: ReadonlyArray<string>,
    ...args: ReadonlyArray<Argument>
  ): Effect.Effect<unknown, StoreUnavailable> {
    return Effect.mapError(this.redis.run(script, keys, args), (cause) => new StoreUnavailable({ cause }))
  }

  private runAll(calls: ReadonlyArray<Call>): Effect.Effect<void, StoreUnavailable> {
    return Effect.asVoid(Effect.mapError(this.redis.runAll(calls), (cause) => new StoreUnavailable({ cause })))
  }

  /** Asks as the owner, and gives what the script answers after its outcome. */
  private owned(
    script: Script,
    id: string,
    generation: number,
    ...args: ReadonlyArray<Argument>
  ): Effect.Effect<ReadonlyArray<unknown>, Fenced | StoreUnavailable> {
    return Effect.flatMap(
      this.run(script, this.session(id), generation, this.options.tombstones, ...args),
      (answer): Effect.Effect<ReadonlyArray<unknown>, Fenced> => {
        const [outcome, ...rest] = answer as [number, ...Array<unknown>] // as these scripts answer
        if (outcome === scripts.done) return Effect.succeed(rest)
        this.leases.release(id, generation)
        return Effect.fail(new Fenced({ id, generation, gone: outcome === scripts.gone }))
      }
    )
  }

  /** A hint that does not arrive costs time, and nothing else. */
  private hint(node: string, hint: nodeChannel.Hint): Effect.Effect<void> {
    return Effect.ignore(this.runAll([this.hinting(node, hint)]))
  }

  private hinting(node: string, hint: nodeChannel.Hint): Call {
    return { script: say, keys: [this.channelOf(node)], args: [nodeChannel.encode(hint)] }
  }

  // ---- the indexes

  private indexesOf(id: string, principal: string): { readonly own: string; readonly all: string } {
    const { prefix } = this.redis
    return {
      own: tagged(prefix, "p", principal),
      all: tagged(prefix, "c", String(slotOf(id) % countBuckets))
    }
  }

  /** Counts a session for so many milliseconds; as one of its principal's, until it cannot be brought back either. */
  private indexing(id: string, principal: string, millis: number): ReadonlyArray<Call> {
    const { all, own } = this.indexesOf(id, principal)
    const member = escape(id)
    return [
      { script: index.add, keys: [own], args: [member, millis + this.options.tombstones] },
      { script: index.add, keys: [all], args: [member, millis] }
    ]
  }

  private index(id: string, principal: string, millis: number): Effect.Effect<void, StoreUnavailable> {
    return this.runAll(this.indexing(id, principal, millis))
  }

  private unindexing(id: string, principal: string): ReadonlyArray<Call> {
    const { all, own } = this.indexesOf(id, principal)
    const args = [escape(id)]
    return [
      { script: index.drop, keys: [own], args },
      { script: index.drop, keys: [all], args }
    ]
  }

  // ---- the operations

  readonly create: Store["create"] = ({ id, principal, secretHash, subprotocol }) =>
    Effect.suspend(() => {
      const { lease, tombstones } = this.options
      const args = [escape(principal), subprotocol, secretHash, this.node, lease, tombstones]
      const creating = { script: scripts.create, keys: this.session(id), args }
      return Effect.map(this.runAll([creating, ...this.indexing(id, principal, lease)]), () =>
        this.leases.hold(id, 1, principal)
      )
    })

  readonly attach: Store["attach"] = ({ attempt, id, nextSecretHash, principal, secretHash }) =>
    Effect.gen(this, function* () {
      const { lease, tombstones } = this.options
      const args = [escape(principal), secretHash, nextSecretHash, attempt ?? "", this.node, lease, tombstones]
      const reply = yield* this.run(scripts.attach, this.session(id), ...args)
      const [tag, ...rest] = reply as [Buffer, ...Array<Buffer>] // but for the two lists of an `Attached`
      switch (tag.toString()) {
        case "Attached": {
          const attached = readAttached(id, principal, reply)
          const { generation } = attached.session
          this.leases.hold(id, generation, principal)
          // It is attached already: what the index misses is looked for in vain until the next renewal.
          yield* Effect.ignore(
            this.runAll([
              ...this.indexing(id, principal, lease),
              this.hinting(attached.node, { _tag: "TakenOver", id, generation: generation - 1 })
            ])
          )
          return { _tag: "Attached", session: attached.session }
        }
        case "Gone":
          return { _tag: "Gone", tombstone: JSON.parse(String(rest[0])) }
        case "Mismatch":
          return { _tag: "Mismatch" }
        case "Superseded":
          return { _tag: "Superseded" }
        default:
          return { _tag: "Unknown" }
      }
    })

  readonly confirm: Store["confirm"] = (id, generation) => Effect.asVoid(this.owned(scripts.confirm, id, generation))

  readonly append: Store["append"] = (id, generation, messages) =>
    Effect.suspend(() => {
      const [first] = messages
      if (first === undefined) return Effect.void
      const items = messages.flatMap(({ confirm, mail, payload }: StoredMessage) => [
        storedItem.encode(payload, confirm),
        mail ?? ""
      ])
      return Effect.asVoid(this.owned(scripts.append, id, generation, first.seq, ...items))
    })

  readonly acknowledge: Store["acknowledge"] = (id, generation, { acked, mail = 0, processed }) =>
    Effect.asVoid(this.owned(scripts.acknowledge, id, generation, acked, processed, mail))

  readonly detach: Store["detach"] = (id, generation, window) =>
    Effect.suspend(() => {
      this.leases.release(id, generation)
      const millis = Math.round(window)
      return Effect.flatMap(this.owned(scripts.detach, id, generation, millis), ([principal]) =>
        // Until then it is counted for as long as its lease would have been.
        Effect.ignore(this.index(id, unescape(String(principal)), millis))
      )
    })

  readonly remove: Store["remove"] = (id, generation, tombstone) =>
    Effect.suspend(() => {
      // Whether Redis hears of it or not: what nobody renews expires.
      this.leases.release(id, generation)
      const reason = tombstone === undefined ? "" : JSON.stringify(tombstone)
      return Effect.flatMap(this.owned(scripts.remove, id, generation, reason), ([principal]) =>
        // The session is gone, and an entry for what is not there is harmless.
        Effect.ignore(this.runAll(this.unindexing(id, unescape(String(principal)))))
      )
    })

  readonly revoke: Store["revoke"] = (target, tombstone) =>
    Effect.gen(this, function* () {
      const ids = yield* this.idsOf(target)
      const principal = "principal" in target ? target.principal : undefined
      const counts = yield* Effect.forEach(ids, (id) => this.revokeOne(id, principal, tombstone), {
        concurrency: "unbounded"
      })
      return counts.reduce((sum, count) => sum + count, 0)
    })

  private idsOf(target: Target): Effect.Effect<ReadonlyArray<string>, StoreUnavailable> {
    if ("session" in target) return Effect.succeed([target.session])
    const { own } = this.indexesOf("", target.principal)
    return Effect.map(this.run(index.list, [own]), (members) => (members as ReadonlyArray<string>).map(unescape)) // ZRANGE
  }

  private revokeOne(
    id: string,
    principal: string | undefined,
    tombstone: Tombstone
  ): Effect.Effect<number, StoreUnavailable> {
    const { tombstones } = this.options
    const owner = principal === undefined ? "" : escape(principal)
    const revoked = this.run(scripts.revoke, this.session(id), owner, JSON.stringify(tombstone), tombstones)
    return Effect.flatMap(revoked, (answer) => {
      const [count, found, generation, node] = answer as [number, string, string, string] // or the first alone
      if (count === 0) return Effect.succeed(0)
      const hint = this.hinting(node, { _tag: "Removed", id, generation: Number(generation), tombstone })
      return Effect.as(Effect.ignore(this.runAll([hint, ...this.unindexing(id, unescape(found))])), count)
    })
  }

  readonly find: Store["find"] = (id) =>
    Effect.map(this.run(scripts.find, this.session(id)), (answer) => {
      const [principal, subprotocol] = answer as ReadonlyArray<string> // or nothing
      return principal === undefined
        ? undefined
        : { principal: unescape(principal), subprotocol: subprotocol as Subprotocol } // as `create` was given it
    })

  readonly post: Store["post"] = (id, { key, payload }, { bytes, messages }) =>
    Effect.gen(this, function* () {
      const keys = this.session(id)
      const args = [storedItem.encode(payload), messages, bytes, mailWindow]
      const [outcome, node] = (yield* this.run(scripts.post, [...keys, `${keys[0]}:k:${escape(key)}`], ...args)) as [
        "Posted" | "Full" | "Unknown",
        string
      ]
      if (outcome === "Posted") yield* this.hint(node, { _tag: "Mail", id })
      return outcome
    })

  readonly collect: Store["collect"] = (id, generation, after) =>
    Effect.map(this.owned(scripts.collect, id, generation), ([taken, items]) =>
      readMail(Number(String(taken)), items).filter(({ number }) => number > after)
    )

  // ---- renewals, and what is told by others

  private renew(id: string, generation: number, principal: string): Effect.Effect<void, StoreUnavailable> {
    const { lease } = this.options
    return this.owned(scripts.renew, id, generation, lease).pipe(
      Effect.flatMap(([mail]) => {
        if (Number(mail) > 0) for (const watcher of this.watchers) watcher.mail(id)
        // What the indexes miss is put right by the next renewal.
        return Effect.ignore(this.index(id, principal, lease))
      }),
      Effect.catchTag("Fenced", ({ gone }) =>
        Effect.sync(() =>
          this.lost(id, generation, gone ? { _tag: "Removed", tombstone: undefined } : { _tag: "TakenOver" })
        )
      )
    )
  }

  private lost(id: string, generation: number, loss: Loss): void {
    this.leases.release(id, generation)
    for (const watcher of this.watchers) watcher.lost(id, generation, loss)
  }

  heard(text: string): void {
    const hint = nodeChannel.decode(text)
    switch (hint?._tag) {
      case "TakenOver":
        return this.lost(hint.id, hint.generation, { _tag: "TakenOver" })
      case "Removed":
        return this.lost(hint.id, hint.generation, { _tag: "Removed", tombstone: hint.tombstone })
      case "Mail":
        for (const watcher of this.watchers) watcher.mail(hint.id)
    }
  }

  readonly watch: Store["watch"] = (watcher) =>
    Effect.acquireRelease(
      Effect.sync(() => void this.watchers.add(watcher)),
      () => Effect.sync(() => void this.watchers.delete(watcher))
    )

  // ---- all of them

  readonly size: Store["size"] = Effect.suspend(() => {
    const buckets = Array.from({ length: countBuckets }, (_, i) => tagged(this.redis.prefix, "c", String(i)))
    return Effect.map(
      Effect.forEach(buckets, (bucket) => this.run(index.count, [bucket]), { concurrency: "unbounded" }),
      (counts) => counts.reduce<number>((sum, count) => sum + Number(count), 0)
    )
  })

  private get gateways(): ReadonlyArray<string> {
    const name = tagged(this.redis.prefix, "g", "")
    return [name, `${name}:i`]
  }

  readonly announce: Store["announce"] = (node) =>
    Effect.suspend(() =>
      Effect.asVoid(
        this.run(index.announce, this.gateways, escape(node.id), JSON.stringify(node), this.options.nodeLease)
      )
    )

  readonly withdraw: Store["withdraw"] = (node) =>
    Effect.suspend(() => Effect.asVoid(this.run(index.withdraw, this.gateways, escape(node))))

  readonly nodes: Store["nodes"] = Effect.suspend(() =>
    Effect.map(this.run(index.nodes, this.gateways), (answer) => {
      const nodes = (answer as ReadonlyArray<string>).map((text): NodeInfo => JSON.parse(text)) // as `announce` wrote them
      return nodes.sort((a, b) => (a.id < b.id ? -1 : 1))
    })
  )
}

const readAttached = (id: string, principal: string, reply: unknown) => {
  type Reply = readonly [...Array<Buffer>] & { readonly 8: Array<Buffer>; readonly 9: Array<Buffer> }
  const [, ...fields] = reply as readonly [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer]
  const { 8: items, 9: mail } = reply as Reply // two lists, after the fields
  const [g = "", subprotocol = "", s = "", a = "", r = "", m = "", node = ""] = fields.map(String)
  const acked = Number(a)
  return {
    node,
    session: {
      id,
      principal,
      generation: Number(g) + 1,
      subprotocol: subprotocol as Subprotocol, // as `create` was given it
      sent: Number(s),
      acked,
      processed: Number(r),
      outbound: items.map((item, i) => ({ seq: acked + i + 1, ...storedItem.decode(item) })),
      mail: readMail(Number(m), mail)
    }
  } satisfies { readonly node: string; readonly session: Extract<Attached, { readonly _tag: "Attached" }>["session"] }
}

const readMail = (taken: number, items: unknown): ReadonlyArray<Mail> =>
  (items as ReadonlyArray<Buffer>).map((item, i) => ({
    number: taken + i + 1,
    payload: storedItem.decode(item).payload
  })) // LRANGE

/**
 * A store on Redis. Each operation on a session is one atomic step there, and
 * all time is the server's. `revoke` of a principal is one such step for each of
 * its sessions.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<Store, InvalidOption, RedisConnection | Scope.Scope> =>
  Effect.gen(function* () {
    const lease = yield* millisOf("lease", options.lease ?? "5 minutes")
    const tombstones = yield* millisOf("tombstones", options.tombstones ?? "10 minutes")
    const nodeLease = yield* millisOf("nodeLease", options.nodeLease ?? "30 seconds")
    const redis = yield* RedisConnection
    const clock = yield* Effect.clock
    const node = yield* (yield* Credentials).id
    const store = new RedisStore(redis, node, { lease, tombstones, nodeLease }, () => clock.unsafeCurrentTimeMillis())
    // What was said while nobody listened, or Redis was away, is found by looking.
    const listener = { message: (text: string) => store.heard(text), heard: () => store.leases.doubt() }
    yield* Effect.forkScoped(Effect.zipRight(redis.listen(store.channel, listener), Effect.never))
    yield* redis.onReady(() => store.leases.doubt())
    const tick = Math.min(1000, lease / 30)
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep(tick), store.leases.renewDue)))
    const { announce, append, attach, acknowledge, collect, confirm, create, detach, find, nodes } = store
    const { post, remove, revoke, size, watch, withdraw } = store
    return {
      announce,
      append,
      attach,
      acknowledge,
      collect,
      confirm,
      create,
      detach,
      // Keys expire by themselves.
      expire: Effect.succeed(0),
      find,
      lease: nodeLease,
      nodes,
      post,
      ready: Effect.mapError(redis.ready, (cause) => new StoreUnavailable({ cause })),
      remove,
      revoke,
      size,
      watch,
      withdraw
    } satisfies Store
  })

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<SessionStore, InvalidOption, RedisConnection> =>
  Layer.scoped(SessionStore, make(options))
