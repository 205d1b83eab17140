/** Holdfast's: a message leaves its time, and one fiber looks at those of all connections when a deadline would have passed. */
import { Effect, Scope } from "effect"
import { ReadDeadline } from "holdfast"
import { connections, deadline, exceeded, measure } from "./measure.mjs"

await measure(() => {
  const clock = Effect.runSync(Effect.clock)
  const deadlines = Effect.runSync(Scope.extend(ReadDeadline.make, Effect.runSync(Scope.make())))
  const died = (defect) => {
    throw defect
  }
  const now = clock.unsafeCurrentTimeMillis()
  const all = Array.from({ length: connections }, () => ({ lastActivity: now, isPaused: false, exceeded, died }))
  for (const one of all) deadlines.watch(one, deadline)
  return () => {
    for (const one of all) one.lastActivity = clock.unsafeCurrentTimeMillis()
  }
})
