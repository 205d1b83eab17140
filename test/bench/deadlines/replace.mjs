/** A new timer for each message. */
import { connections, deadline, exceeded, measure } from "./measure.mjs"

await measure(() => {
  const timers = Array.from({ length: connections }, () => setTimeout(exceeded, deadline))
  return () => {
    for (let index = 0; index < connections; index++) {
      clearTimeout(timers[index])
      timers[index] = setTimeout(exceeded, deadline)
    }
  }
})
