/** The page's Effect program: one client, what it tells goes into the model. */
import { Effect, Exit, Runtime, type Scope, Stream } from "effect"
import { Client, type ConnectionError, type Dialer, Presence, type Protocol } from "holdfast"
import { type Asked, type Echoed, messages, Room } from "../chat.js"
import type { ChatLog, Fate } from "./chatLog.js"
import type { Model } from "./model.js"
import { type Settings, socketUrl } from "./settings.js"

type ChatClient = Client.Client<Asked, Echoed>

/** What the page's buttons and fields can do. */
export interface Controls {
  readonly say: (text: string) => void
  /** Sends one large message. */
  readonly upload: () => void
  readonly reconnect: () => void
}

interface Screen {
  readonly model: Model
  readonly log: ChatLog
}

/** What a client is told that cannot be given all that it has missed. */
const missed: Record<ConnectionError.PositionLost["reason"], string> = {
  epoch: "The server has begun the room anew: what was said before is not kept there. It goes on here.",
  ahead: "The server has lost some of the room: it goes on here.",
  expired: "What was said meanwhile is not kept any more: it goes on here."
}

/** What is said, from the oldest that is kept; and on from there if ever something of it is lost. */
const said = (
  client: ChatClient,
  log: ChatLog,
  room: ReturnType<typeof Room.at>,
  since: Protocol.Position | "oldest"
): Stream.Stream<{ readonly from: string; readonly text: string }, ConnectionError.TopicRefused> =>
  client.subscribe(room, { since }).pipe(
    Stream.filter(Client.hasValue),
    Stream.map(({ value }) => value),
    Stream.catchTag("PositionLost", (lost) =>
      Stream.unwrap(
        Effect.sync(() => {
          log.notice(missed[lost.reason])
          return said(client, log, room, lost.position)
        })
      )
    )
  )

const fateOf = (exit: Exit.Exit<void, Effect.Effect.Error<ReturnType<ChatClient["deliver"]>>>): Fate => {
  if (Exit.isSuccess(exit)) return { _tag: "Processed" }
  if (exit.cause._tag !== "Fail") return { _tag: "OutcomeUnknown", words: "outcome unknown" }
  const { error } = exit.cause
  switch (error._tag) {
    case "OutcomeUnknown":
      return { _tag: "OutcomeUnknown", words: `may or may not have been processed: ${error.reason}` }
    case "NotSent":
      return { _tag: "NotSent", words: `not sent: ${error.reason}` }
    case "MessageRefused":
      return { _tag: "NotSent", words: `refused: ${error.reason}` }
    default:
      return { _tag: "NotSent", words: `not sent: ${error.message}` }
  }
}

const presence = (client: ChatClient, { log, model }: Screen, room: ReturnType<typeof Room.at>) =>
  Stream.runForEach(Presence.roster(client.presence(room)), (members) =>
    Effect.sync(() => {
      const people = Presence.byPrincipal(members)
      log.members = people.map(({ away, principal }) => (away === undefined ? principal : `${principal} (away)`)).sort()
      model.changed()
    })
  )

/** A million bytes: less than `maxMessage`, and the page's storage has room for it, so that it goes on after a reload, too. */
const large = "hold fast ".repeat(100_000)

/** How often the figures are looked at. */
const lookEvery = "100 millis"

/** Starts the client; it lives as long as the scope. */
export const start = (
  settings: Settings,
  screen: Screen
): Effect.Effect<Controls, ConnectionError.InvalidOption, Scope.Scope | Dialer.Dialer> =>
  Effect.gen(function* () {
    const { log, model } = screen
    const client = yield* Client.make<Asked, Echoed>({
      url: socketUrl(),
      messages,
      token: settings.name,
      heartbeatInterval: settings.heartbeat,
      readDeadline: settings.deadline
    })
    const room = Room.at({ room: settings.room })
    const refused = ({ message }: Error) =>
      Effect.sync(() => {
        log.notice(message)
        model.changed()
      })
    const follow = <A, E extends Error>(stream: Stream.Stream<A, E>, take: (a: A) => void) =>
      Effect.forkScoped(
        Effect.catchAll(
          Stream.runForEach(stream, (a) => Effect.sync(() => take(a))),
          refused
        )
      )

    yield* follow(client.changes, (status) => model.became(status))
    yield* follow(client.events, (event) => model.happened(event))
    yield* follow(client.messages, () => {}) // the page asks for no echo
    yield* follow(said(client, log, room, "oldest"), ({ from, text }) => {
      log.heard(from, text)
      model.line()
    })
    yield* Effect.forkScoped(Effect.catchAll(presence(client, screen, room), refused))
    const look = Effect.map(client.stats, (stats) => model.looked(stats))
    yield* Effect.forkScoped(Effect.forever(Effect.delay(look, lookEvery)))

    const runtime = yield* Effect.runtime<never>()
    const scope = yield* Effect.scope
    const fork = (effect: Effect.Effect<void>) => void Runtime.runFork(runtime)(effect, { scope })
    const deliver = (message: Asked, told: (fate: Fate) => void) =>
      fork(Effect.map(Effect.exit(client.deliver(message)), (exit) => told(fateOf(exit))))
    return {
      say: (text) => {
        const line = log.said(settings.name, text)
        deliver({ _tag: "Say", room: settings.room, text }, (fate) => {
          line.fate = fate
          model.changed()
        })
        model.changed()
      },
      upload: () => {
        model.uploads()
        deliver({ _tag: "Upload", room: settings.room, text: large }, (fate) => model.uploaded(fate))
      },
      reconnect: () => {
        if (model.status._tag !== "Waiting") return
        model.tell("Trying now, before the delay has run down.", "plain")
        fork(client.reconnect)
      }
    }
  })
