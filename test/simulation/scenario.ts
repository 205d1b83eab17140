/** What a world is made of, drawn from its seed alone. */
import { Effect, Random } from "effect"
import { FaultPlan } from "holdfast/testing"

export interface Scenario {
  readonly seed: number
  readonly clients: ReadonlyArray<string>
  readonly gateways: ReadonlyArray<string>
  readonly codec: "json" | "msgpack"
  /** Whether its clients can ping: a browser cannot. */
  readonly clientPings: boolean
  /** Milliseconds of every way, and the most that is added to it. */
  readonly latency: number
  readonly jitter: number
  /** Bytes a second of each connection, while there are faults; 0 for no bound. */
  readonly bandwidth: number
  /** Bytes that every other message has beside what it says; and those of the parts in which they travel. */
  readonly filler: number
  readonly maxPart: number
  /** Messages in the replay buffer of either end. */
  readonly replayMessages: number
  /** What each client does of each kind: sends, delivers, publishes. */
  readonly actions: number
  /** What a gateway says to each session unasked. */
  readonly pushes: number
  /** Milliseconds in which faults begin, and in which clients are at work. */
  readonly within: number
  /** Milliseconds after which a gateway shuts down in good order, to start again; 0 for never. */
  readonly drainEvery: number
  /** Whether somebody sends messages that make the handler fail, and bytes that are no protocol. */
  readonly mallory: boolean
  /** Whether fibers that could all go on do so in an order drawn from the seed. */
  readonly shuffle: boolean
  readonly plan: FaultPlan.FaultPlan
}

const names = (kind: string, count: number) => Array.from({ length: count }, (_, i) => `${kind}-${i + 1}`)

/** A generator of its own for each purpose, so that one does not shift the other. */
export const randomFor = (seed: number, purpose: string) => Random.make(`${seed} ${purpose}`)

export const scenario = (seed: number): Scenario =>
  Effect.gen(function* () {
    const pick = <const A>(...from: readonly [A, ...ReadonlyArray<A>]) =>
      Effect.map(Random.nextIntBetween(0, from.length), (index) => from[index] ?? from[0])
    const clients = names("client", yield* pick(2, 2, 2, 3, 4))
    const gateways = names("gateway", yield* pick(1, 2, 2, 3))
    const within = yield* pick(10_000, 30_000, 120_000)
    const mallory = (yield* Random.next) < 0.3
    const ways = [
      ...clients.flatMap((client) => gateways.map((gateway) => [client, gateway] as const)),
      ...gateways.map((gateway) => [gateway, "store"] as const)
    ]
    const filler = yield* pick(0, 0, 0, 30_000)
    return {
      seed,
      clients,
      gateways,
      codec: yield* pick("json", "msgpack"),
      clientPings: (yield* Random.next) < 0.7,
      latency: yield* pick(0, 0, 10, 80),
      jitter: yield* pick(0, 0, 5, 100),
      // So slow that a message takes longer than the read deadline, where it is large.
      bandwidth: filler === 0 ? 0 : yield* pick(0, 400, 400, 4000),
      filler,
      maxPart: yield* pick(4096, 10_000),
      replayMessages: yield* pick(2, 5, 1024),
      actions: yield* pick(1, 2, 4, 8),
      pushes: yield* pick(0, 2, 6),
      within,
      drainEvery: yield* pick(0, 0, 0, Math.round(within / 3)),
      mallory,
      shuffle: yield* Random.nextBoolean,
      plan: yield* FaultPlan.random({
        ways,
        faults: yield* Random.nextIntBetween(0, 10),
        within,
        longest: yield* pick("5 seconds", "90 seconds", "4 minutes"),
        spared: ["store"]
      })
    } satisfies Scenario
  }).pipe(Effect.withRandom(randomFor(seed, "scenario")), Effect.runSync)
