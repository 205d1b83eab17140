/** What a session asks of its store again and again, as plain functions, where the store answers at once. */
import type * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { plainOf } from "../../connection/syncEffect.js"
import type { SessionStore } from "../../session/SessionStore.js"

type Store = Context.Tag.Service<SessionStore>

type Asked = "create" | "attach" | "confirm" | "append" | "acknowledge" | "detach"

type PlainOf<F> = F extends (...args: infer Args) => Effect.Effect<infer A, infer E>
  ? (...args: Args) => Exit.Exit<A, E>
  : never

export type StoreAtOnce = { readonly [K in Asked]: PlainOf<Store[K]> | undefined }

export const make = ({ acknowledge, append, attach, confirm, create, detach }: Store): StoreAtOnce => ({
  create: plainOf(create),
  attach: plainOf(attach),
  confirm: plainOf(confirm),
  append: plainOf(append),
  acknowledge: plainOf(acknowledge),
  detach: plainOf(detach)
})
