/** By how much a server's event loop is late, from when it is asked to watch. */
import { monitorEventLoopDelay } from "node:perf_hooks"

/** Between two looks, in milliseconds; Node counts it into the delay. */
const resolution = 10

const watched = monitorEventLoopDelay({ resolution })

const millis = (nanos) => Math.max(0, nanos / 1e6 - resolution)

export const watchDelay = () => {
  watched.enable()
  watched.reset()
  return {}
}

export const delay = () => ({
  median: millis(watched.percentile(50)),
  most: millis(watched.percentile(99)),
  max: millis(watched.max)
})
