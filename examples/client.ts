/**
 * A chat client: prints each status change and what is said in its room, says what is typed.
 *
 *     npm run client -- [name] [room] [url]
 *
 * A line is said in the room; `/echo text` asks for the text back, `/quit` ends.
 */
import * as readline from "node:readline"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"
import { Client, ClientStatus, type ConnectionError, Options, type Presence, type Protocol } from "holdfast"
import { NodeDialer } from "holdfast/node"
import { type Asked, type Echoed, messages, Room } from "./chat.js"

const [name = "somebody", place = "lobby", url = `ws://127.0.0.1:${process.env.PORT ?? 8080}/`] = process.argv.slice(2)

if (name === "--help" || name === "-h") {
  console.log(
    "usage: npm run client -- [name] [room] [url]\n\nlines are said in the room; /echo text asks for it back; /quit ends"
  )
  process.exit(0)
}

const seconds = (millis: number) => `${(millis / 1000).toFixed(1)} s`

const lostBecause: Record<string, string> = {
  unknown: "unknown: the server does not know it, it may have restarted",
  expired: "expired: the client was away too long",
  overflow: "overflow: more was sent to it than is kept",
  secret: "secret: it is not this client's",
  incomplete: "incomplete: what it missed is not kept any more"
}

const showStart = (start: ClientStatus.Start): string => {
  switch (start._tag) {
    case "Fresh":
      return "a new session"
    case "Resumed":
      return "resumed"
    case "Reset":
      return `a new session, the old one is lost (${start.reason})`
  }
}

const showStatus = (status: ClientStatus.Status): string => {
  switch (status._tag) {
    case "Connecting":
      return `connecting (attempt ${status.attempt})`
    case "Ready":
      return status.suspect ? "a heartbeat is unanswered" : `ready: ${showStart(status.start)}`
    case "Waiting":
      return `waiting ${seconds(status.delay)} before attempt ${status.attempt}: ${status.reason.message}`
    case "Ended":
      return `ended: ${ClientStatus.describeEnd(status.reason)}`
  }
}

const showPresence = (event: Presence.PresenceEvent): string => {
  switch (event._tag) {
    case "Members":
      return `* here: ${event.members.map(({ principal }) => principal).join(", ") || "nobody"}`
    case "Joined":
      return `* ${event.member.principal} joined`
    case "Changed":
      return `* ${event.member.principal} is ${event.member.away === undefined ? "back" : "away"}`
    case "Left":
      return `* ${event.member.principal} left`
  }
}

const showEvent = (event: ClientStatus.ClientEvent): string => {
  switch (event._tag) {
    case "SessionLost":
      return `session lost: ${lostBecause[event.reason]}; ${event.outcomeUnknown} sent with unknown outcome, ${event.carriedOver} carried over`
    case "MessageInvalid":
      return event.error.message
    case "Refused":
      return `refused (${event.code}): ${event.reason}`
    case "Invited":
      return `the server has subscribed this client to ${event.topic}`
    case "GoingAway":
      return `the server goes away (${event.reason}), back in ${seconds(event.retryAfter)}`
    case "TokenUnavailable":
      return event.error.message
    case "NotKept":
      return `the session is not kept any more: ${event.cause}`
  }
}

const lines = Stream.suspend(() =>
  Stream.fromAsyncIterable(readline.createInterface({ input: process.stdin }), (cause) => cause)
).pipe(Stream.orDie)

const room = Room.at({ room: place })

type ChatClient = Client.Client<Asked, Echoed>

/** What is said, from the oldest that is kept; and on from there if ever something of it is lost. */
const said = (
  client: ChatClient,
  since: Protocol.Position | "oldest"
): Stream.Stream<string, ConnectionError.TopicRefused> =>
  client.subscribe(room, { since }).pipe(
    Stream.filter(Client.hasValue),
    Stream.map(({ value }) => `${value.from}: ${value.text}`),
    Stream.catchTag("PositionLost", (lost) =>
      Stream.concat(Stream.make(`[${lost.message}]`), said(client, lost.position))
    )
  )

const program = Effect.gen(function* () {
  const options = yield* Options.config
  const client = yield* Client.make<Asked, Echoed>({ ...options, url, messages, token: name })
  const show = <A, E extends Error>(stream: Stream.Stream<A, E>, render: (a: A) => string) =>
    Effect.fork(
      Stream.runForEach(stream, (a) => Console.log(render(a))).pipe(
        Effect.catchAll(({ message }) => Console.log(`[${message}]`))
      )
    )

  yield* show(client.changes, (status) => `[${showStatus(status)}]`)
  yield* show(client.events, (event) => `[${showEvent(event)}]`)
  yield* show(client.messages, ({ text }) => `echo: ${text}`)
  yield* show(said(client, "oldest"), (line) => line)
  yield* show(client.presence(room), showPresence)

  const say = (line: string) => {
    const said: Effect.Effect<unknown, Error> = line.startsWith("/echo ")
      ? client.send({ _tag: "Echo", text: line.slice("/echo ".length) })
      : client.publish(room, { from: name, text: line })
    return Effect.catchAll(said, ({ message }) => Console.log(`[not sent: ${message}]`))
  }
  const typed = lines.pipe(
    Stream.takeWhile((line) => line !== "/quit"),
    Stream.filter((line) => line.trim() !== ""),
    Stream.runForEach(say)
  )
  // At the end of stdin, and on Ctrl-C, the scope closes the client: it sends what is left and says bye.
  yield* Effect.raceFirst(typed, client.ended)
  yield* client.close
}).pipe(Effect.scoped, Effect.provide(NodeDialer.layer))

NodeRuntime.runMain(program)
