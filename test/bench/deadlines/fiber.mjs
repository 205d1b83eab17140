/** A new sleeping fiber for each message. */
import { Effect, Fiber } from "effect"
import { connections, deadline, exceeded, measure } from "./measure.mjs"

const wait = Effect.zipRight(Effect.sleep(deadline), Effect.sync(exceeded))

await measure(() => {
  const fibers = Array.from({ length: connections }, () => Effect.runFork(wait))
  const move = (index) =>
    Effect.flatMap(Fiber.interrupt(fibers[index]), () =>
      Effect.map(Effect.forkDaemon(wait), (fiber) => {
        fibers[index] = fiber
      })
    )
  const all = Effect.forEach(fibers, (_, index) => move(index), { discard: true })
  return () => Effect.runPromise(all)
})
