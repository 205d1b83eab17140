/** Sessions in Redis: created and attached, their progress, and their end. Each operation is one atomic step there. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Subprotocol } from "../../../protocol/Protocol.js"
import type { Attached, RefusedMessage, SessionStore, StoredMessage } from "../../../session/SessionStore.js"
import { escape, unescape } from "../keys.js"
import type { HeldSessions, SessionTimes } from "./heldSessions.js"
import * as mailbox from "./mailbox.js"
import * as nodeChannel from "./nodeChannel.js"
import type { SessionIndex } from "./sessionIndex.js"
import * as sessionScripts from "./sessionScripts.js"
import type { StoreCommands } from "./storeCommands.js"
import * as storedItem from "./storedItem.js"

type Store = Context.Tag.Service<SessionStore>

export class RedisSessions {
  constructor(
    private readonly commands: StoreCommands,
    private readonly index: SessionIndex,
    private readonly held: HeldSessions,
    private readonly node: string,
    private readonly times: SessionTimes
  ) {}

  private keys(id: string): ReadonlyArray<string> {
    return sessionScripts.sessionKeys(this.commands.prefix, id)
  }

  readonly find: Store["find"] = (id) =>
    Effect.map(this.commands.run(sessionScripts.find, this.keys(id)), (answer) => {
      const [principal, subprotocol] = answer as ReadonlyArray<string> // or nothing
      return principal === undefined
        ? undefined
        : { principal: unescape(principal), subprotocol: subprotocol as Subprotocol } // as `create` was given it
    })

  // ---- having a session

  readonly create: Store["create"] = ({ id, principal, secretHash, subprotocol }) =>
    Effect.suspend(() => {
      const { lease, tombstones } = this.times
      const args = [escape(principal), subprotocol, secretHash, this.node, lease, tombstones]
      const creating = { script: sessionScripts.create, keys: this.keys(id), args }
      return Effect.map(this.commands.runAll([creating, ...this.index.adding(id, principal, lease)]), () =>
        this.held.leases.hold(id, 1, principal)
      )
    })

  readonly attach: Store["attach"] = ({ attempt, id, nextSecretHash, principal, secretHash }) =>
    Effect.gen(this, function* () {
      const { lease, tombstones } = this.times
      const args = [escape(principal), secretHash, nextSecretHash, attempt ?? "", this.node, lease, tombstones]
      const reply = yield* this.commands.run(sessionScripts.attach, this.keys(id), ...args)
      const [tag, ...rest] = reply as [Buffer, ...Array<Buffer>] // but for the two lists of an `Attached`
      switch (tag.toString()) {
        case "Attached": {
          const { node, session } = readAttached(id, principal, reply)
          const { generation } = session
          this.held.leases.hold(id, generation, principal)
          const hint = { _tag: "TakenOver", id, generation: generation - 1 } as const
          // It is attached already: what the index misses is looked for in vain until the next renewal.
          yield* Effect.ignore(
            this.commands.runAll([
              ...this.index.adding(id, principal, lease),
              nodeChannel.telling(this.commands.prefix, node, hint)
            ])
          )
          return { _tag: "Attached", session }
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

  readonly confirm: Store["confirm"] = (id, generation) =>
    Effect.asVoid(this.held.ask(sessionScripts.confirm, id, generation))

  // ---- its progress

  readonly append: Store["append"] = (id, generation, messages) =>
    Effect.suspend(() => {
      const [first] = messages
      if (first === undefined) return Effect.void
      const items = messages.flatMap(({ confirm, mail, payload }: StoredMessage) => [
        storedItem.encode(payload, { isConfirmed: confirm }),
        mail ?? ""
      ])
      return Effect.asVoid(this.held.ask(sessionScripts.append, id, generation, first.seq, ...items))
    })

  readonly acknowledge: Store["acknowledge"] = (id, generation, { acked, invitations, mail = 0, processed, refused }) =>
    Effect.suspend(() => {
      const items = refused?.messages.flatMap((message) => [message.seq, JSON.stringify(message)]) ?? []
      const more = refused === undefined ? [] : [refused.most, ...items]
      const invited = invitations === undefined ? "" : JSON.stringify(invitations)
      const args = [acked, processed, mail, invited, ...more]
      return Effect.asVoid(this.held.ask(sessionScripts.acknowledge, id, generation, ...args))
    })

  // ---- letting go of it

  readonly detach: Store["detach"] = (id, generation, window) =>
    Effect.suspend(() => {
      this.held.leases.release(id, generation)
      const millis = Math.round(window)
      return Effect.flatMap(this.held.ask(sessionScripts.detach, id, generation, millis), ([principal]) =>
        // Until then it is counted for as long as its lease would have been.
        Effect.ignore(this.commands.runAll(this.index.adding(id, unescape(String(principal)), millis)))
      )
    })

  readonly remove: Store["remove"] = (id, generation, tombstone) =>
    Effect.suspend(() => {
      // Whether Redis hears of it or not: what nobody renews expires.
      this.held.leases.release(id, generation)
      const reason = tombstone === undefined ? "" : JSON.stringify(tombstone)
      return Effect.flatMap(this.held.ask(sessionScripts.remove, id, generation, reason), ([principal]) =>
        // The session is gone, and an entry for what is not there is harmless.
        Effect.ignore(this.commands.runAll(this.index.dropping(id, unescape(String(principal)))))
      )
    })
}

const readAttached = (id: string, principal: string, reply: unknown) => {
  type Reply = readonly [...Array<Buffer>] & {
    readonly 9: Array<Buffer>
    readonly 10: Array<Buffer>
    readonly 11: Array<Buffer>
  }
  const [, ...fields] = reply as readonly [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer]
  const { 9: items, 10: mail, 11: refused } = reply as Reply // three lists, after the fields
  const [g = "", subprotocol = "", s = "", a = "", r = "", m = "", node = "", invited = ""] = fields.map(String)
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
      outbound: items.map((item, i) => {
        const { confirm, payload } = storedItem.decode(item)
        return { seq: acked + i + 1, payload, confirm }
      }),
      mail: mailbox.read(Number(m), mail),
      refused: refused.map((item) => JSON.parse(String(item)) as RefusedMessage), // as `acknowledge` was given it
      invitations: invited === "" ? [] : JSON.parse(invited)
    }
  } satisfies { readonly node: string; readonly session: Extract<Attached, { readonly _tag: "Attached" }>["session"] }
}
