/** A timer for each connection, refreshed by each message. */
import { connections, deadline, exceeded, measure } from "./measure.mjs"

await measure(() => {
  const timers = Array.from({ length: connections }, () => setTimeout(exceeded, deadline))
  return () => {
    for (const timer of timers) timer.refresh()
  }
})
