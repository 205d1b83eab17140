/** Many at once, from two nodes. */
import * as Effect from "effect/Effect"
import { turn } from "../bench.js"
import type { StoreBench } from "./storeBench.js"

export const many = 24
export const numbers = Array.from({ length: many }, (_, i) => i)

/** The two nodes in turn. */
export const node = (t: StoreBench, i: number) => (i % 2 === 0 ? t.one : t.other)

export const all = <A, E, R>(effects: Iterable<Effect.Effect<A, E, R>>) =>
  Effect.all(
    Array.from(effects, (effect, i) => Effect.zipRight(turn(i), effect)),
    { concurrency: "unbounded" }
  )
