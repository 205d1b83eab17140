/** The mail of sessions: left by any node, and collected by the one that holds the session. */
import * as Effect from "effect/Effect"
import type { Fenced, StoreUnavailable } from "../../../protocol/ConnectionError.js"
import type { Mail, SessionStore } from "../../../session/SessionStore.js"
import { escape } from "../keys.js"
import type { HeldSessions } from "./heldSessions.js"
import * as nodeChannel from "./nodeChannel.js"
import * as sessionScripts from "./sessionScripts.js"
import type { StoreCommands } from "./storeCommands.js"
import * as storedItem from "./storedItem.js"

/** Milliseconds in which mail with the same key is left once. */
const window = 60_000

/** Mail as the server lists it, after so many that were taken. */
export const read = (taken: number, items: unknown): ReadonlyArray<Mail> =>
  (items as ReadonlyArray<Buffer>).map((item, i) => {
    const { isOrder, payload } = storedItem.decode(item)
    return { number: taken + i + 1, payload, isOrder }
  }) // LRANGE

export class Mailbox {
  constructor(
    private readonly commands: StoreCommands,
    private readonly held: HeldSessions
  ) {}

  post(
    id: string,
    { isOrder, key, payload }: Parameters<SessionStore["Type"]["post"]>[1],
    { bytes, messages }: { readonly bytes: number; readonly messages: number }
  ): Effect.Effect<"Posted" | "Full" | "Unknown", StoreUnavailable> {
    return Effect.gen(this, function* () {
      const { prefix } = this.commands
      const [session = "", ...others] = sessionScripts.sessionKeys(prefix, id)
      const keys = [session, ...others, `${session}:k:${escape(key)}`]
      const args = [storedItem.encode(payload, { isOrder }), messages, bytes, window]
      const [outcome, node] = (yield* this.commands.run(sessionScripts.post, keys, ...args)) as [
        "Posted" | "Full" | "Unknown",
        string
      ]
      // A hint that does not arrive costs time, and nothing else.
      if (outcome === "Posted") {
        yield* Effect.ignore(this.commands.runAll([nodeChannel.telling(prefix, node, { _tag: "Mail", id })]))
      }
      return outcome
    })
  }

  collect(
    id: string,
    generation: number,
    after: number
  ): Effect.Effect<ReadonlyArray<Mail>, Fenced | StoreUnavailable> {
    return Effect.map(this.held.ask(sessionScripts.collect, id, generation), ([taken, items]) =>
      read(Number(String(taken)), items).filter(({ number }) => number > after)
    )
  }
}
