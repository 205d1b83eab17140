/** Asks every master of Redis, by a small write, if it takes writes now. */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Redis } from "ioredis"
import { monotonic } from "../../connection/clocks.js"
import type { CommandTimeouts } from "./commandTimeouts.js"
import { tagged } from "./keys.js"
import type { RedisClient } from "./redisClient.js"
import { script } from "./script.js"

/** Nanoseconds for which a yes counts: probes may ask often, of a store and of a broker. */
const fresh = 1000

/** Milliseconds after which Redis forgets what was written to ask. */
const kept = 60_000

const write = script("return redis.call('SET', KEYS[1], '', 'PX', ARGV[1])")

/** Names to look for a slot of a node among; each is of another slot. */
const tries = 4096

/** Whoever goes away meanwhile is not the only one who waits. */
const outcome = (asking: Fiber.RuntimeFiber<void, Error>): Effect.Effect<void, Error> =>
  Effect.flatten(Fiber.await(asking))

export class Readiness {
  /** All that ask wait for this one. */
  private asking: Fiber.RuntimeFiber<void, Error> | undefined
  /** When the last yes was asked for. */
  private readyAt: number | undefined

  constructor(
    private readonly client: RedisClient,
    private readonly timeouts: CommandTimeouts,
    private readonly prefix: string,
    private readonly clock: Clock.Clock,
    private readonly fork: <E>(effect: Effect.Effect<void, E>) => Fiber.RuntimeFiber<void, E>
  ) {}

  /** Asks once for all that ask while it is asked, and for a second after a yes. */
  readonly ready: Effect.Effect<void, Error> = Effect.suspend(() => {
    const now = monotonic(this.clock)
    if (this.readyAt !== undefined && now - this.readyAt < fresh) return Effect.void
    if (this.asking !== undefined) return outcome(this.asking)
    const asking = this.fork(this.all)
    this.asking = asking
    asking.addObserver((exit) => {
      this.asking = undefined
      this.readyAt = exit._tag === "Success" ? now : undefined
    })
    return outcome(asking)
  })

  private readonly all: Effect.Effect<void, Error> = Effect.suspend(() =>
    Effect.forEach(this.client.nodes, (node) => this.writes(node), { concurrency: "unbounded", discard: true })
  )

  private writes(node: Redis): Effect.Effect<void, Error> {
    const { host, port } = node.options
    const key = this.keyOn(`${host}:${port}`)
    // A master without slots has nothing to write.
    const asked = this.timeouts.ask(() => (key === undefined ? node.ping() : this.client.run(write, [key], [kept])))
    return Effect.mapError(
      Effect.asVoid(asked),
      (error) =>
        new Error(
          error.name === "ReplyError"
            ? `Redis at ${host}:${port} refuses writes: ${error.message}`
            : `Redis at ${host}:${port} does not answer: ${error.message}`
        )
    )
  }

  /** A key of a slot that is on this node. */
  private keyOn(node: string): string | undefined {
    if (!this.client.isCluster) return tagged(this.prefix, "w", "")
    for (let i = 0; i < tries; i++) {
      const key = tagged(this.prefix, "w", String(i))
      if (this.client.nodeOf(key) === node) return key
    }
    return undefined
  }
}
