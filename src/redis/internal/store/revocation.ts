/** Ends sessions for good, wherever they are held: one, or all of a principal. */
import * as Effect from "effect/Effect"
import type { StoreUnavailable } from "../../../protocol/ConnectionError.js"
import type { Target, Tombstone } from "../../../session/SessionStore.js"
import { escape, unescape } from "../keys.js"
import * as nodeChannel from "./nodeChannel.js"
import type { SessionIndex } from "./sessionIndex.js"
import * as sessionScripts from "./sessionScripts.js"
import type { StoreCommands } from "./storeCommands.js"

export class Revocation {
  constructor(
    private readonly commands: StoreCommands,
    private readonly index: SessionIndex,
    /** Milliseconds for which it is remembered why a session is gone. */
    private readonly tombstones: number
  ) {}

  /** Gives how many there were. */
  revoke(target: Target, tombstone: Tombstone): Effect.Effect<number, StoreUnavailable> {
    const isOne = "session" in target
    const ids = isOne ? Effect.succeed([target.session]) : this.index.idsOf(target.principal)
    const principal = "principal" in target ? target.principal : undefined
    return Effect.flatMap(ids, (ids) =>
      Effect.map(
        Effect.forEach(ids, (id) => this.revokeOne(id, principal, tombstone), { concurrency: "unbounded" }),
        (counts) => counts.reduce((sum, count) => sum + count, 0)
      )
    )
  }

  private revokeOne(
    id: string,
    principal: string | undefined,
    tombstone: Tombstone
  ): Effect.Effect<number, StoreUnavailable> {
    const { prefix } = this.commands
    const args = [principal === undefined ? "" : escape(principal), JSON.stringify(tombstone), this.tombstones]
    const revoked = this.commands.run(sessionScripts.revoke, sessionScripts.sessionKeys(prefix, id), ...args)
    return Effect.flatMap(revoked, (answer) => {
      const [count, found, generation, node] = answer as [number, string, string, string] // or the first alone
      if (count === 0) return Effect.succeed(0)
      const hint = { _tag: "Removed", id, generation: Number(generation), tombstone } as const
      const calls = [nodeChannel.telling(prefix, node, hint), ...this.index.dropping(id, unescape(found))]
      return Effect.as(Effect.ignore(this.commands.runAll(calls)), count)
    })
  }
}
