/** A gateway with a topic of each policy, and what it costs. Run by slowReader.test.ts in a process of its own, with --expose-gc. */
import { Effect, Layer, Scope } from "effect"
import { Gateway } from "holdfast"
import { answer } from "../node/answers.js"
import {
  bounds,
  Fill,
  type Filling,
  type Memory,
  now,
  policies,
  type Reader,
  type Ticking,
  topics
} from "../node/slowReader.js"
import { makeGateway, shared } from "../node/topics.js"

const make = Effect.gen(function* () {
  const context = yield* Layer.build(shared)
  return yield* makeGateway({
    ...bounds,
    authenticate: ({ token }) => Effect.succeed({ id: token ?? "healthy" }),
    // Who does not read is not to be given up for that alone, and hears why it was when it reads again.
    writeDeadline: "5 minutes",
    closeTimeout: "1 minute",
    topics: [
      Gateway.topic(Fill, { subscribe: Gateway.allow, policy: "latest", history: { messages: 1 } }),
      ...policies.map((policy) =>
        Gateway.topic(topics[policy], { subscribe: Gateway.allow, policy, history: { messages: 50 } })
      )
    ]
  }).pipe(Effect.provide(context))
})

type Made = Effect.Effect.Success<typeof make>
let made: Made | undefined

const gateway = Effect.suspend(() =>
  made === undefined ? Effect.dieMessage("not started") : Effect.succeed(made.gateway)
)

const turn = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))

/** Those who gave a name. */
const readers = Effect.gen(function* () {
  const sessions = yield* (yield* gateway).sessions
  const infos = yield* Effect.all(sessions.map(({ info }) => info))
  return infos
    .filter(({ principal }) => principal !== "healthy")
    .map(
      ({ connection, principal, queued }): Reader => ({ name: principal, connected: connection !== undefined, queued })
    )
})

answer({
  start: () =>
    Effect.gen(function* () {
      made = yield* Scope.extend(make, yield* Scope.make())
      return made.port
    }),

  /** Publishes to all three topics at once, in equal steps. */
  tick: ({ bytes, count, every, from }: Ticking) =>
    Effect.gen(function* () {
      const { publish } = yield* gateway
      const filler = "x".repeat(bytes)
      const start = now()
      for (let n = 0; n < count; n++) {
        const wait = start + n * every - now()
        yield* wait > 0 ? Effect.sleep(wait) : turn
        for (const policy of policies) yield* publish(topics[policy].at(), { n: from + n, at: now(), filler })
      }
    }),

  /** Until the network takes no more for these, and what they read next waits here. */
  fill: ({ names }: Filling) =>
    Effect.gen(function* () {
      const { publish } = yield* gateway
      const filler = "x".repeat(16 * 1024)
      for (let n = 0; n < 4000; n++) {
        yield* publish(Fill.at(), filler)
        yield* Effect.sleep("1 millis")
        const waiting = (yield* readers).filter(({ queued }) => queued.messages > 0)
        if (names.every((name) => waiting.some((reader) => reader.name === name))) return
      }
      return yield* Effect.dieMessage("64 MB have left for somebody who does not read")
    }),

  readers: () => readers,

  memory: () =>
    Effect.gen(function* () {
      for (let round = 0; round < 3; round++) {
        globalThis.gc?.()
        yield* turn
      }
      const { arrayBuffers, heapUsed, rss } = process.memoryUsage()
      return { needed: heapUsed + arrayBuffers, resident: rss } satisfies Memory
    })
})
