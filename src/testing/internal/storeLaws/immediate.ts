/** A store as a gateway asks it that need not wait: by the plain functions that its operations come with. */
import * as Effect from "effect/Effect"
import type { Operation } from "../../../session/operation.js"
import type { Service } from "./storeBench.js"

const plain = <Args extends ReadonlyArray<unknown>, A, E>(operation: Operation<Args, A, E>): Operation<Args, A, E> => {
  const { immediate } = operation
  return immediate === undefined ? operation : (...args) => Effect.suspend(() => immediate(...args))
}

/** `undefined` for a store that offers none. */
export const immediately = (store: Service): Service | undefined => {
  const { acknowledge, append, attach, confirm, create } = store
  const offered = [acknowledge, append, attach, confirm, create].some(({ immediate }) => immediate !== undefined)
  if (!offered) return undefined
  return {
    ...store,
    acknowledge: plain(acknowledge),
    append: plain(append),
    attach: plain(attach),
    confirm: plain(confirm),
    create: plain(create)
  }
}
