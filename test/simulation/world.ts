/** One world, from its scenario to its end: machines, what they run, what befalls them, and whether it all held. */
import { Array as Arr, Deferred, Duration, Effect, Fiber, Layer, Logger } from "effect"
import { Broker, type Client, type Gateway, SessionStore } from "holdfast"
import { FaultPlan, MemoryNetwork, VirtualTime } from "holdfast/testing"
import * as backing from "./backing.js"
import * as gateway from "./gateway.js"
import * as invariants from "./invariants.js"
import { Ledger, type Life } from "./ledger.js"
import * as mallory from "./mallory.js"
import * as person from "./person.js"
import { randomFor, type Scenario } from "./scenario.js"

export interface Outcome {
  readonly violations: ReadonlyArray<string>
  /** The events of all ends, in order. */
  readonly lines: ReadonlyArray<string>
  readonly counts: Ledger["counts"]
  /** Milliseconds of virtual time. */
  readonly virtual: number
}

/** Longer than what it takes to find a peer dead, to wait for the longest delay, and for a window to be over. */
const aWhile = "4 minutes"

/**
 * Whether a session may be left attached in the store by a gateway that is no more, or that never heard of it: one that
 * crashed, or whose question arrived and whose answer did not. Such sessions wait for leases in the store (issue 5).
 */
const orphansSessions = ({ plan }: Scenario): boolean =>
  plan.some(
    ({ fault }) =>
      fault._tag === "Crash" ||
      (fault._tag === "Refuse" && fault.machine === "store") ||
      ("other" in fault && fault.other === "store") ||
      ("from" in fault && (fault.from === "store" || fault.to === "store"))
  )

const unfold = (scenario: Scenario, ledger: Ledger) =>
  Effect.gen(function* () {
    const network = yield* MemoryNetwork.MemoryNetwork
    const { broker, listeners, store } = yield* backing.make(ledger)
    const running = new Map<string, Gateway.Gateway<gateway.Told>>()
    const clients = new Map<
      string,
      { readonly client: Client.Client<gateway.Asked, gateway.Told>; readonly life: Life }
    >()
    const shutdown = yield* Deferred.make<void>()
    let isOver = false
    const world = { scenario, ledger, running, clients, shutdown, isOver: () => isOver }
    const shared = Layer.merge(Layer.succeed(SessionStore.SessionStore, store), Layer.succeed(Broker.Broker, broker))

    const usual = { latency: Duration.millis(scenario.latency), jitter: Duration.millis(scenario.jitter) }
    yield* network.way(usual)
    const ways = scenario.clients.flatMap((client) => scenario.gateways.map((gateway) => [client, gateway] as const))
    /** Of those between clients and gateways, both ways. */
    const bandwidth = (bandwidth: number) =>
      Effect.forEach(ways, ([client, gateway]) =>
        Effect.zipRight(
          network.way({ ...usual, bandwidth }, client, gateway),
          network.way({ ...usual, bandwidth }, gateway, client)
        )
      )
    if (scenario.bandwidth > 0) yield* bandwidth(scenario.bandwidth)
    for (const name of scenario.gateways) {
      const program = gateway.program(name, world).pipe(Effect.withRandom(randomFor(scenario.seed, name)))
      yield* Effect.provide(network.run(name, program), shared)
    }
    yield* Effect.sleep("1 second")
    for (const name of scenario.clients) {
      yield* network.run(name, person.program(name, world).pipe(Effect.withRandom(randomFor(scenario.seed, name))))
    }
    const attack = mallory.program(scenario, ledger).pipe(Effect.withRandom(randomFor(scenario.seed, "mallory")))
    const attacking = scenario.mallory ? yield* network.run("mallory", attack) : undefined

    yield* FaultPlan.play(scenario.plan, (fault) => Effect.sync(() => ledger.fault(fault)))
    yield* Effect.sleep(Math.max(0, scenario.within - ledger.now()))
    isOver = true
    if (attacking !== undefined) yield* Fiber.interruptFork(attacking)
    ledger.event("network", "all is well from now on")
    if (scenario.bandwidth > 0) yield* bandwidth(Number.POSITIVE_INFINITY)
    yield* Effect.sleep(aWhile)
    invariants.atRest(ledger)

    for (const { client } of clients.values()) yield* client.close
    yield* Effect.sleep(aWhile)
    for (const [name, one] of running) {
      const { connections, sessions } = yield* one.stats
      if (connections + sessions > 0) {
        ledger.violation(
          5,
          `${name} still has ${connections} connections and ${sessions} sessions, and no client is left`
        )
      }
    }
    yield* Deferred.succeed(shutdown, undefined)
    yield* Effect.sleep(aWhile)
    const links = yield* network.links
    if (links.length > 0) ledger.violation(5, `${links.length} links are open, and nobody is left`)
    if (listeners() > 0) ledger.violation(5, `${listeners()} listeners of the broker are left`)
    const kept = yield* Effect.orDie(store.size)
    if (kept > 0 && !orphansSessions(scenario)) ledger.violation(5, `${kept} sessions are left in the store`)
    invariants.always(ledger, scenario)
  })

/** What is logged is an event like any other. */
const logger = (ledger: Ledger) =>
  Logger.make(({ logLevel, message }) => ledger.event("log", `${logLevel.label} ${Arr.ensure(message).join(" ")}`))

export const run = (scenario: Scenario): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    const clock = yield* Effect.clock
    const ledger = new Ledger(() => clock.unsafeCurrentTimeMillis())
    yield* unfold(scenario, ledger).pipe(
      Effect.scoped,
      Effect.provide(Logger.replace(Logger.defaultLogger, logger(ledger))),
      Effect.provide(MemoryNetwork.layer({ clientPings: scenario.clientPings })),
      Effect.catchAllCause((cause) => Effect.sync(() => ledger.violation(0, `the world ended: ${cause}`)))
    )
    const { counts, lines, violations } = ledger
    return { counts, lines, violations, virtual: ledger.now() }
  }).pipe(
    Effect.withRandom(randomFor(scenario.seed, "network")),
    Effect.withTracerEnabled(false),
    (world) => VirtualTime.run(world, { shuffle: scenario.shuffle ? scenario.seed : undefined }),
    Effect.catchAllDefect((defect) =>
      Effect.succeed({
        violations: [`the world is stuck: ${defect}`],
        lines: [],
        counts: new Ledger(() => 0).counts,
        virtual: 0
      })
    )
  )
