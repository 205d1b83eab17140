/** Takes a connection that is kept to somebody else's server through cuts, a silence and a restart. */
import { Clock, Effect, Option, Stream } from "effect"
import { type Connection, Reconnect } from "holdfast"
import type { TcpProxy } from "../node/tcpProxy.js"
import { eventually } from "../support/patience.js"

const least = 50

/** Short, so that many reconnects take little time. */
export const timing = {
  reconnect: Reconnect.exponential({ base: least, max: 4 * least, jitter: false }),
  heartbeatInterval: "500 millis",
  readDeadline: "1500 millis"
} as const

export const cuts = 20

/** What was waited for, in milliseconds, and how long. */
export interface Wait {
  readonly delay: number
  readonly waited: number
}

interface Faults {
  readonly kept: Pick<Connection.Kept<never, unknown>, "changes">
  readonly proxy: TcpProxy
  /** How many messages have come. */
  readonly received: () => number
  readonly restart: Effect.Effect<void>
}

/** Gives the delays between attempts, as they were announced and as they were. */
export const throughFaults = ({ kept, proxy, received, restart }: Faults) =>
  Effect.gen(function* () {
    const waits: Array<Wait> = []
    const reasons: Array<string> = []
    let connections = 0
    let since = Option.none<{ readonly delay: number; readonly at: number }>()
    yield* Effect.forkScoped(
      Stream.runForEach(kept.changes, (status) =>
        Effect.map(Clock.currentTimeMillis, (at) => {
          if (status._tag === "Ready") connections = status.connection
          if (status._tag === "Waiting") {
            since = Option.some({ delay: status.delay, at })
            reasons.push(status.reason._tag)
          }
          if (status._tag !== "Connecting" || Option.isNone(since)) return
          waits.push({ delay: since.value.delay, waited: at - since.value.at })
          since = Option.none()
        })
      )
    )
    const more = Effect.suspend(() => {
      const before = received()
      return eventually(
        "it is subscribed to",
        Effect.sync(() => received() > before + 2),
        received
      )
    })
    for (let cut = 0; cut < cuts; cut++) {
      yield* more
      const before = connections
      yield* proxy.cut
      yield* eventually(
        "it has another connection",
        Effect.sync(() => connections > before),
        () => reasons.length
      )
    }
    yield* more
    yield* proxy.silence("up", "down")
    yield* eventually(
      "it has found the silence",
      Effect.sync(() => reasons.includes("ReadDeadlineExceeded"))
    )
    yield* proxy.restore
    yield* more
    yield* restart
    yield* more
    return waits as ReadonlyArray<Wait>
  })
