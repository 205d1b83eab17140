/** A way that is slower than a large message per deadline, and what crosses it. */
import { Effect, TestClock } from "effect"
import { Codec } from "holdfast"
import { MemoryNetwork } from "holdfast/testing"

const { MemoryNetwork: Network } = MemoryNetwork

export const kilobyte = 1000
const size = 800 * kilobyte
/** Quotes, and characters of two, three and four bytes. */
export const large = `"${"é€😀x".repeat(size / 10)}"`

export const timing = { heartbeatInterval: "5 seconds", readDeadline: "6 seconds", writeDeadline: "6 seconds" } as const

export const slowWay = Effect.flatMap(Network, (network) => network.way({ bandwidth: 50 * kilobyte, latency: 20 }))

/** No farewell takes its time on the way. */
export const leave = Effect.flatMap(Network, (network) => network.cut())

/** Counts the bytes of the frames that either end sends. */
export const counted = Effect.gen(function* () {
  const network = yield* Network
  const carried = { client: 0, server: 0 }
  yield* network.onLink((link) => {
    for (const side of ["client", "server"] as const) {
      const end = link[side]
      const send = end.send.bind(end)
      Object.assign(end, {
        send: (frame: Codec.Frame) => {
          carried[side] += Codec.byteLength(frame)
          send(frame)
        }
      })
    }
  })
  return carried
})

/** Cuts every eight seconds until it is done; gives the seconds. */
export const cutting = (isDone: () => boolean) =>
  Effect.gen(function* () {
    const network = yield* Network
    let seconds = 0
    while (!isDone() && seconds < 600) {
      yield* TestClock.adjust(1000)
      seconds++
      if (seconds % 8 === 0) yield* network.cut()
    }
    return seconds
  })
