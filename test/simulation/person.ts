/** The program of a client's machine: says, publishes, reads, and writes down what became of it. */
import { Effect, Option, Random, Stream } from "effect"
import { Client, type ClientStatus, Codec } from "holdfast"
import {
  type Asked,
  blamed,
  type Flaw,
  fillerOf,
  forever,
  lobby,
  messages,
  publicationOf,
  restFor,
  type Told
} from "./gateway.js"
import { type Fate, idOf, type Ledger, type Life, type Publishing, type Reading } from "./ledger.js"
import type { Scenario } from "./scenario.js"

export interface World {
  readonly scenario: Scenario
  readonly ledger: Ledger
  /** Every client that is there, to be closed at the end. */
  readonly clients: Map<string, { readonly client: Client.Client<Asked, Told>; readonly life: Life }>
  readonly isOver: () => boolean
}

const told = (status: ClientStatus.Status): string => {
  switch (status._tag) {
    case "Connecting":
      return `connecting, attempt ${status.attempt}`
    case "Ready":
      return `ready: ${status.start._tag} ${status.session} generation ${status.generation}${status.suspect ? ", suspect" : ""}`
    case "Waiting":
      return `waiting ${status.delay} ms: ${status.reason.message}`
    case "Ended":
      return `ended: ${status.reason._tag}`
  }
}

/** Some messages are refused, some are to be run again, and some of one client's end its session. */
const flawOf = (drawn: number, isMallory: boolean): Flaw =>
  drawn < 0.07 ? "refused" : drawn < 0.14 ? "again" : isMallory && drawn < 0.34 ? "poison" : "none"

/** One client, until it ends. */
const live = (name: string, world: World) =>
  Effect.gen(function* () {
    const { ledger, scenario } = world
    const isMallory = scenario.mallory && name === scenario.clients[0]
    const life = ledger.life(name, isMallory)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        if (life.ended === undefined) life.crashed = true
      })
    )
    const url = Effect.map(
      Random.nextIntBetween(0, scenario.gateways.length),
      (index) => `ws://${scenario.gateways[index]}/`
    )
    const client = yield* Client.make({
      url,
      messages,
      token: name,
      codec: Codec[scenario.codec],
      replayMessages: scenario.replayMessages,
      maxPart: scenario.maxPart
    })
    world.clients.set(name, { client, life })
    yield* Effect.addFinalizer(() => Effect.sync(() => void world.clients.delete(name)))

    const watch = Stream.runForEach(client.changes, (status) =>
      Effect.sync(() => {
        ledger.event(name, told(status))
        // Suspect now, or not any more: the same connection.
        if (status._tag === "Ready" && life.statuses.at(-1)?.status._tag === "Ready") return
        life.statuses.push({ at: ledger.now(), status })
        if (status._tag !== "Ready") return
        ledger.counts.connects++
        if (status.start._tag === "Resumed") ledger.counts.resumes++
        if (status.start._tag === "Reset") ledger.counts.resets++
      })
    )
    const losses = Stream.runForEach(client.events, (event) =>
      Effect.sync(() => {
        ledger.event(name, `event ${event._tag}`)
        if (event._tag === "SessionLost") life.lost.push(event)
      })
    )
    const hear = Stream.runForEach(client.messages, (message) =>
      Effect.sync(() => {
        life.heard.push(message)
        ledger.counts.delivered++
        ledger.event(name, `hears ${message.sender} ${message.n}`)
      })
    )

    const rest = restFor(scenario)

    /** Times that the client was connected so far, and whether it is now. */
    const connected = Effect.map(client.status, ({ _tag }) => ({
      isReady: _tag === "Ready",
      times: life.statuses.filter(({ status }) => status._tag === "Ready").length
    }))

    /** Gives up a delivery that takes too long: not sent, if the client was away all the while. */
    const patiently = (delivery: Effect.Effect<Fate>) =>
      Effect.gen(function* () {
        const before = yield* connected
        const fate = yield* Effect.timeoutOption(delivery, "700 millis")
        if (Option.isSome(fate)) return fate.value
        const after = yield* connected
        const wasAway = !before.isReady && !after.isReady && before.times === after.times
        return wasAway ? ("not sent" as const) : ("unknown" as const)
      })

    /** Asks one thing after the other; what becomes of each is written down. */
    const asking = (by: "send" | "deliver") =>
      Effect.gen(function* () {
        for (let n = 1; n <= scenario.actions; n++) {
          yield* rest
          if (world.isOver()) return
          const flaw = flawOf(yield* Random.next, isMallory)
          const message = { life: life.id, by, n, flaw, filler: fillerOf(scenario, n) }
          const note = (fate: Fate) =>
            Effect.sync(() => {
              life.said.set(idOf(message), fate)
              ledger.event(name, `${idOf(message)}: ${fate}`)
            })
          yield* note("pending")
          const outcome: Effect.Effect<Fate> =
            by === "send"
              ? client.send(message).pipe(
                  Effect.as<Fate>("accepted"),
                  Effect.catchTag("SessionClosed", () => Effect.succeed<Fate>("not sent")),
                  Effect.orDie
                )
              : client.deliver(message).pipe(
                  Effect.as<Fate>("processed"),
                  Effect.catchTags({
                    SessionClosed: () => Effect.succeed<Fate>("not sent"),
                    MessageRefused: () => Effect.succeed<Fate>("refused"),
                    NotSent: () => Effect.succeed<Fate>("not sent"),
                    OutcomeUnknown: () => Effect.succeed<Fate>("unknown")
                  }),
                  Effect.orDie,
                  n % 3 === 0 ? patiently : (delivery) => delivery
                )
          yield* Effect.flatMap(outcome, note)
        }
      })

    const publish = Effect.gen(function* () {
      for (let n = 1; n <= scenario.actions; n++) {
        yield* rest
        if (world.isOver()) return
        const value = publicationOf(scenario, life.id, n)
        const publishing: Publishing = { value, fate: "pending", offset: undefined }
        ledger.publishings.push(publishing)
        const note = (fate: Fate, offset?: number) =>
          Effect.sync(() => {
            publishing.fate = fate
            publishing.offset = offset
          })
        yield* client.publish(lobby, publishing.value).pipe(
          Effect.flatMap(({ offset }) => note("processed", offset)),
          Effect.catchTags({
            NotSent: () => note("not sent"),
            OutcomeUnknown: () => note("unknown"),
            TopicRefused: ({ reason }) =>
              Effect.sync(() => ledger.violation(7, `${life.id} may not publish: ${reason}`))
          }),
          Effect.orDie
        )
        ledger.event(name, `publishes ${n}: ${publishing.fate} ${publishing.offset ?? ""}`)
      }
    })

    /** Reads the topic; where that cannot go on without a gap it is told, and begins anew. */
    const read = Effect.gen(function* () {
      const reading: Reading = { publications: [], end: undefined }
      life.readings.push(reading)
      yield* Stream.runForEach(Stream.filter(client.subscribe(lobby), Client.hasValue), (publication) =>
        Effect.sync(() => {
          reading.publications.push(publication)
          ledger.counts.delivered++
          ledger.event(name, `reads ${publication.position.offset}: ${publication.value.trimEnd()}`)
        })
      ).pipe(
        Effect.catchAll((error) =>
          Effect.sync(() => {
            reading.end = error._tag
            ledger.event(name, `reading ended: ${error.message}`)
          })
        )
      )
      if (reading.end === undefined) return yield* forever
      yield* Effect.sleep("1 second")
    })

    const work = [watch, losses, hear, asking("send"), asking("deliver"), publish, Effect.forever(read)]
    yield* Effect.forEach(work, (effect) => Effect.forkScoped(effect))
    life.ended = yield* client.ended
    // What is told of the end is written down first.
    yield* Effect.sleep(1)
  })

/** Lives one client after the other. */
export const program = (name: string, world: World) =>
  Effect.scoped(live(name, world)).pipe(
    blamed(name, world.ledger, "died"),
    Effect.zipRight(Effect.suspend(() => (world.isOver() ? forever : Effect.sleep("1 second")))),
    Effect.forever
  )
