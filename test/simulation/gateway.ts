/** The program of a gateway: handles, answers, and writes down what it did. */
import { Cause, Data, Deferred, Duration, Effect, FiberRef, Layer, Random, Schedule, Schema } from "effect"
import { Gateway, Messages, Outcome, type Session, Topic } from "holdfast"
import { Machine } from "holdfast/testing"
import { idOf, type Ledger, type Said, type Sender } from "./ledger.js"
import type { Scenario } from "./scenario.js"

export const Room = Topic.make("rooms/:room", Schema.String)
export const lobby = Room.at({ room: "lobby" })

/** What is the matter with a message: its handler dies of it, refuses it, or succeeds with it when it is run again. */
const Flaw = Schema.Literal("none", "poison", "refused", "again")
export type Flaw = typeof Flaw.Type

export interface Asked extends Said {
  readonly flaw: Flaw
  readonly filler: string
}

export interface Told {
  readonly sender: string
  readonly n: number
  readonly filler: string
}

/** Every other message is large, where any is. */
export const fillerOf = ({ filler }: Scenario, n: number): string => "x".repeat(n % 2 === 0 ? filler : 0)

/** Its spaces are not shown. */
export const publicationOf = ({ filler }: Scenario, life: string, n: number): string =>
  `${life} ${n}`.padEnd(n % 2 === 0 ? filler : 0)

const Asked = Schema.Struct({
  life: Schema.String,
  by: Schema.Literal("send", "deliver"),
  n: Schema.Number,
  flaw: Flaw,
  filler: Schema.String
})
const Told = Schema.Struct({ sender: Schema.String, n: Schema.Number, filler: Schema.String })

export const messages: Messages.Messages<Asked, Told> = Messages.make({ client: Asked, server: Told })

/** Waits for ever, with no timer of the platform. */
export const forever: Effect.Effect<never> = Effect.async(() => {})

/** How long a handler takes: mostly nothing, sometimes longer than a fault. */
const pause = Effect.flatMap(Random.next, (x) =>
  x < 0.6 ? Effect.void : Effect.sleep(Duration.millis(Math.round(2000 ** x)))
)

/** Mostly some time, sometimes none, so that several things are on their way at once. */
export const restFor = ({ actions, within }: Scenario) =>
  Effect.flatMap(Random.next, (x) =>
    x < 0.4 ? Effect.void : Effect.sleep(Math.round((-Math.log(1 - x) * within) / (actions + 1)))
  )

class Refused extends Data.TaggedError("Refused") {}
class Away extends Data.TaggedError("Away") {}

const threeTimes = Schedule.intersect(Schedule.exponential("300 millis"), Schedule.recurs(3))

const outcomeOf = (error: Refused | Away | Gateway.SendFailure): Outcome.Outcome => {
  switch (error._tag) {
    case "Refused":
      return Outcome.refuse("refused", "as it was told to")
    case "Away":
      return Outcome.retry(threeTimes, Outcome.end("it was to succeed", { final: true }))
    default:
      return Outcome.end(error.message, { final: true })
  }
}

/** A session as it is hosted at one gateway, and who sends to it from there. */
interface Hosted {
  readonly owner: number
  readonly replies: Sender
  readonly pushes: Sender
  /** Of the messages that are to be run again, the last that was run. */
  tried: number
}

const serve = (
  name: string,
  world: { readonly scenario: Scenario; readonly ledger: Ledger; readonly isOver: () => boolean }
) =>
  Effect.gen(function* () {
    const { ledger, scenario } = world
    const random = yield* Effect.random
    const scope = yield* Effect.scope
    /** Who sends to a session from here, by the session as it is hosted now. */
    const hosted = new Map<Session.Session<Told>, Hosted>()

    const host = (session: Session.Session<Told>): Hosted => {
      const owner = ++ledger.owners
      const sender = (kind: string): Sender => {
        const made = { id: `${name}/${owner} ${kind}`, session: session.id, owner, accepted: 0, gone: false }
        ledger.senders.set(made.id, made)
        return made
      }
      const made = { owner, replies: sender("reply"), pushes: sender("push"), tried: 0 }
      hosted.set(session, made)
      return made
    }
    const leave = ({ pushes, replies }: Hosted) => {
      replies.gone = true
      pushes.gone = true
    }
    yield* Effect.addFinalizer(() => Effect.sync(() => [...hosted.values()].map(leave)))

    const send = (session: Session.Session<Told>, sender: Sender) =>
      Effect.map(
        Effect.suspend(() => {
          const n = sender.accepted + 1
          return session.send({ sender: sender.id, n, filler: fillerOf(scenario, n) })
        }),
        () => {
          sender.accepted++
        }
      )

    /** Says something now and then, unasked; several things at once, too. What was said last must have time to arrive. */
    const push = (session: Session.Session<Told>, sender: Sender) =>
      Effect.zipRight(
        restFor(scenario),
        Effect.suspend(() => (world.isOver() ? Effect.void : send(session, sender)))
      ).pipe(
        Effect.replicateEffect(scenario.pushes, { discard: true }),
        Effect.catchTag("SessionClosed", () => Effect.void),
        Effect.orDie,
        Effect.withRandom(random)
      )

    const onMessage = (message: Asked, session: Session.Session<Told>, seq: number) =>
      Effect.gen(function* () {
        const here = hosted.get(session)
        if (here === undefined) return yield* Effect.dieMessage("a message before onOpen")
        yield* pause
        const { flaw } = message
        if (flaw === "poison") return yield* Effect.dieMessage("poison")
        if (flaw === "again" && here.tried < seq) {
          here.tried = seq
          ledger.event(name, `${session.id} is to try ${idOf(message)} again`)
          return yield* new Away()
        }
        const isRefused = flaw === "refused"
        ledger.handledBy(session.id, { owner: here.owner, seq, id: idOf(message), isRefused })
        ledger.event(name, `${session.id} ${isRefused ? "refuses" : "handles"} ${idOf(message)} as ${seq}`)
        if (isRefused) return yield* new Refused()
        yield* send(session, here.replies)
      }).pipe(Effect.withRandom(random))

    const gateway = yield* Gateway.make({
      messages,
      replayMessages: scenario.replayMessages,
      maxPart: scenario.maxPart,
      drainSpread: "2 seconds",
      authenticate: ({ token }) => Effect.succeed({ id: token ?? "nobody" }),
      onOpen: (session) =>
        Effect.suspend(() => {
          ledger.event(name, `${session.id} begins here`)
          return Effect.forkIn(push(session, host(session).pushes), scope)
        }),
      onMessage,
      onFailure: outcomeOf,
      onClose: (session, end) =>
        Effect.sync(() => {
          const here = hosted.get(session)
          if (here !== undefined) leave(here)
          hosted.delete(session)
          ledger.event(name, `${session.id} is over here: ${end._tag}`)
        }),
      topics: [Gateway.topic(Room, { subscribe: Gateway.allow, publish: Gateway.allow })]
    })

    // What is held is within its bounds.
    const watch = Effect.gen(function* () {
      for (const session of yield* gateway.sessions) {
        const { id, queued, unacknowledged, unprocessed } = yield* session.info
        if (unacknowledged.messages > scenario.replayMessages) {
          ledger.violation(
            6,
            `${name} holds ${unacknowledged.messages} messages for ${id}, of ${scenario.replayMessages}`
          )
        }
        if (unprocessed > scenario.replayMessages) {
          ledger.violation(6, `${unprocessed} messages of ${id} wait for the handler of ${name}`)
        }
        if (queued.messages > 1024) ledger.violation(6, `${queued.messages} publications wait for ${id} on ${name}`)
      }
    })
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep("41 seconds"), watch)))
    return gateway
  })

/** How often a gateway is drained between two crashes. */
const maxDrains = 2

const isInterrupted: Effect.Effect<boolean> = Effect.withFiberRuntime((fiber) =>
  Effect.succeed(!Cause.isEmpty(fiber.getFiberRef(FiberRef.interruptedCause)))
)

/**
 * Writes down what a program fails with, unless it was stopped: by the end of the world, or because its machine crashed. It may
 * be in the middle of what cannot be interrupted then, and go on with it after its machine is back; what it says of a network
 * that it is not on any more is nobody's fault. Its fiber is not asked about a crash: one that comes while Effect closes a scope
 * is forgotten when the scope is closed.
 */
export const blamed =
  (name: string, ledger: Ledger, words: string) =>
  <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      const crashes = ledger.crashes(name)
      return Effect.tapErrorCause(program, (cause) =>
        Effect.map(isInterrupted, (isOver) => {
          if (!isOver && ledger.crashes(name) === crashes) ledger.violation(7, `${name} ${words}: ${cause}`)
        })
      )
    })

/** A gateway from its start to its end, and again if it is to be drained now and then. */
export const program = (
  name: string,
  world: {
    readonly scenario: Scenario
    readonly ledger: Ledger
    readonly running: Map<string, Gateway.Gateway<Told>>
    readonly isOver: () => boolean
    /** The end of the world: every gateway closes. */
    readonly shutdown: Deferred.Deferred<void>
  }
) => {
  const { ledger, running, scenario } = world
  let drains = 0
  const once = Effect.gen(function* () {
    ledger.event(name, "starts")
    running.set(name, yield* serve(name, world))
    yield* Effect.addFinalizer(() => Effect.sync(() => void running.delete(name)))
    const shutdown = Deferred.await(world.shutdown)
    if (scenario.drainEvery === 0 || drains === maxDrains) return yield* shutdown
    const turn = scenario.gateways.indexOf(name) + 1
    yield* Effect.raceFirst(Effect.sleep(scenario.drainEvery + turn * 1000), shutdown)
    if (world.isOver()) return yield* shutdown
    drains++
    ledger.counts.drains++
    ledger.event(name, "shuts down")
  })
  const pause = Effect.raceFirst(Effect.sleep("1 second"), Deferred.await(world.shutdown))
  const again = Effect.flatMap(Deferred.isDone(world.shutdown), (isDone) => (isDone ? forever : pause))
  const onMachine = Layer.merge(Machine.layerSessionStore({ on: "store" }), Machine.layerBroker({ on: "store" }))
  return Effect.forever(Effect.zipRight(Effect.scoped(once), again)).pipe(
    Effect.provide(onMachine),
    blamed(name, ledger, "ended")
  )
}
