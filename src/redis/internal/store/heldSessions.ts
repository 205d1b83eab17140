/**
 * The sessions that this node holds: asked for as their owner, renewed while
 * they are held, and told to those who watch when they are lost, or have mail.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Fenced, type StoreUnavailable } from "../../../protocol/ConnectionError.js"
import type { Loss, Watcher } from "../../../session/SessionStore.js"
import type { Argument, Script } from "../script.js"
import * as nodeChannel from "./nodeChannel.js"
import type { SessionIndex } from "./sessionIndex.js"
import { SessionLeases } from "./sessionLeases.js"
import * as sessionScripts from "./sessionScripts.js"
import type { StoreCommands } from "./storeCommands.js"

/** In milliseconds. */
export interface SessionTimes {
  /** After which a session is forgotten whose gateway has died without a word. */
  readonly lease: number
  /** For which it is remembered why a session is gone. */
  readonly tombstones: number
}

export class HeldSessions {
  readonly leases: SessionLeases
  private readonly watchers = new Set<Watcher>()

  constructor(
    private readonly commands: StoreCommands,
    private readonly index: SessionIndex,
    private readonly times: SessionTimes,
    now: () => number
  ) {
    this.leases = new SessionLeases(times.lease / 3, now, (id, { generation, principal }) =>
      this.renew(id, generation, principal)
    )
  }

  /** Asks as the owner, and gives what the script answers after its outcome. */
  ask(
    script: Script,
    id: string,
    generation: number,
    ...args: ReadonlyArray<Argument>
  ): Effect.Effect<ReadonlyArray<unknown>, Fenced | StoreUnavailable> {
    const keys = sessionScripts.sessionKeys(this.commands.prefix, id)
    return Effect.flatMap(
      this.commands.run(script, keys, generation, this.times.tombstones, ...args),
      (answer): Effect.Effect<ReadonlyArray<unknown>, Fenced> => {
        const [outcome, ...rest] = answer as [number, ...Array<unknown>] // as these scripts answer
        if (outcome === sessionScripts.done) return Effect.succeed(rest)
        this.leases.release(id, generation)
        return Effect.fail(new Fenced({ id, generation, gone: outcome === sessionScripts.gone }))
      }
    )
  }

  private renew(id: string, generation: number, principal: string): Effect.Effect<void, StoreUnavailable> {
    const { lease } = this.times
    return this.ask(sessionScripts.renew, id, generation, lease).pipe(
      Effect.flatMap(([mail]) => {
        if (Number(mail) > 0) for (const watcher of this.watchers) watcher.mail(id)
        // What the indexes miss is put right by the next renewal.
        return Effect.ignore(this.commands.runAll(this.index.adding(id, principal, lease)))
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

  /** Another node has told something. */
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

  watch(watcher: Watcher): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => void this.watchers.add(watcher)),
      () => Effect.sync(() => void this.watchers.delete(watcher))
    )
  }
}
