/**
 * A chat client: prints each status change and message, sends what is typed.
 *
 *     npm run client -- [name] [url]
 *
 * A line is said to everybody; `/echo text` asks for the text back, `/quit` ends.
 */
import * as readline from "node:readline"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Either, Stream } from "effect"
import { Client, ClientStatus, Options } from "holdfast"
import { NodeDialer } from "holdfast/node"
import { type ClientMessage, messages, type ServerMessage } from "./chat.js"

const [name = "somebody", url = `ws://127.0.0.1:${process.env.PORT ?? 8080}/`] = process.argv.slice(2)

if (name === "--help" || name === "-h") {
  console.log(
    "usage: npm run client -- [name] [url]\n\nlines are said to everybody; /echo text asks for it back; /quit ends"
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
      return `ready: ${showStart(status.start)}`
    case "Waiting":
      return `waiting ${seconds(status.delay)} before attempt ${status.attempt}: ${status.reason.message}`
    case "Ended":
      return `ended: ${ClientStatus.describeEnd(status.reason)}`
  }
}

const showMessage = (message: ServerMessage): string => {
  switch (message._tag) {
    case "Echoed":
      return `echo: ${message.text}`
    case "Said":
      return `${message.from}: ${message.text}`
    case "Joined":
      return `* ${message.who} joined`
    case "Left":
      return `* ${message.who} left (${message.why})`
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
    case "GoingAway":
      return `the server goes away (${event.reason}), back in ${seconds(event.retryAfter)}`
    case "TokenUnavailable":
      return event.error.message
  }
}

const lines = Stream.suspend(() =>
  Stream.fromAsyncIterable(readline.createInterface({ input: process.stdin }), (cause) => cause)
).pipe(Stream.orDie)

const program = Effect.gen(function* () {
  const options = yield* Options.config
  const client = yield* Client.make<ClientMessage, ServerMessage>({ ...options, url, messages, token: name })
  const show = <A>(stream: Stream.Stream<A>, render: (a: A) => string) =>
    Effect.fork(Stream.runForEach(stream, (a) => Console.log(render(a))))

  yield* show(client.changes, (status) => `[${showStatus(status)}]`)
  yield* show(client.events, (event) => `[${showEvent(event)}]`)
  yield* show(client.messages, showMessage)

  const say = (line: string) => {
    const message: ClientMessage = line.startsWith("/echo ")
      ? { _tag: "Echo", text: line.slice("/echo ".length) }
      : { _tag: "Say", text: line }
    return client.send(message).pipe(
      Effect.either,
      Effect.flatMap((sent) => (Either.isLeft(sent) ? Console.log(`[not sent: ${sent.left.message}]`) : Effect.void))
    )
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
