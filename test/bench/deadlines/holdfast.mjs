/** Holdfast's: a message leaves its time, and a fiber for each connection looks at that when the deadline would have passed. */
import { Effect } from "effect"
import { ReadDeadline } from "holdfast"
import { connections, deadline, exceeded, measure } from "./measure.mjs"

await measure(() => {
  const clock = Effect.runSync(Effect.clock)
  const all = Array.from({ length: connections }, () => ({ lastActivity: clock.unsafeCurrentTimeMillis() }))
  for (const one of all) {
    const watched = { lastActivity: () => one.lastActivity, paused: () => undefined }
    Effect.runFork(Effect.catchAll(ReadDeadline.run(watched, deadline), () => Effect.sync(exceeded)))
  }
  return () => {
    for (const one of all) one.lastActivity = clock.unsafeCurrentTimeMillis()
  }
})
