/** The client's half of opening a connection: dial, hello, welcome. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Dialer } from "../connection/Dialer.js"
import * as Heartbeat from "../connection/heartbeat.js"
import { type DialTerms, dial, type Terms } from "../connection/keep/dialing.js"
import type { KeepAlive } from "../connection/keep/lifecycle.js"
import type { Attempt } from "../connection/keep/reconnectLoop.js"
import type { Ready as KeptReady } from "../connection/keep/status.js"
import * as liveConnection from "../connection/liveConnection.js"
import type { Resolved } from "../connection/Options.js"
import { suspectAfterOf } from "../connection/options/optionRules.js"
import { CloseCode } from "../protocol/CloseCode.js"
import { type Codec, envelopeBytes } from "../protocol/Codec.js"
import { type AttemptError, WelcomeTimeout } from "../protocol/ConnectionError.js"
import type * as Protocol from "../protocol/Protocol.js"
import { shown as shownUrl } from "../protocol/url.js"
import type { Ready } from "./ClientStatus.js"
import type { ClientSession } from "./clientSession.js"
import { Unwelcome } from "./unwelcome.js"

type LiveConnection = liveConnection.LiveConnection

/** Both ends keep to the shorter times of the two; what is a third of an interval is a third of the shorter one. */
const keepAliveOf = (options: Resolved, welcome: Protocol.Welcome): KeepAlive => {
  const heartbeatInterval = Math.min(options.heartbeatInterval, welcome.heartbeat)
  const isDefault = options.suspectAfter === suspectAfterOf(options.heartbeatInterval)
  return {
    heartbeatInterval,
    readDeadline: Math.min(options.readDeadline, welcome.deadline),
    suspectAfter: isDefault ? suspectAfterOf(heartbeatInterval) : options.suspectAfter
  }
}

export interface Opener {
  readonly codec: Codec
  readonly dialer: Dialer["Type"]
  readonly options: Resolved
  readonly session: ClientSession
  readonly terms: DialTerms
}

/** Opens connections of a client's session: each has come to Ready. */
export const opener = ({ codec, dialer, options, session, terms }: Opener) => {
  const unwelcome = new Unwelcome()

  const open = (attempt: Attempt<Ready>, { headers, token, url }: Terms) =>
    Effect.gen(function* () {
      const maxFrame = options.maxMessage + envelopeBytes
      const request = { url, protocols: [codec.subprotocol], headers, maxFrame }
      const live = yield* liveConnection.make(yield* dial(dialer, options, request), options)
      attempt.opening(live)
      if (live.transport.ping === undefined) {
        live.messagePing = (id) => session.driver.writeUnpaced(live, { type: "ping", id })
      }
      const hello = session.hello(live, token)
      const welcome = yield* greet(live, codec, hello, options.helloTimeout, {
        welcome: (welcome) => {
          const start = session.welcomed(live, welcome, hello)
          if (start === undefined) return
          unwelcome.welcomed()
          const { generation, session: id } = welcome
          const statusOf = (common: KeptReady): Ready => ({ ...common, session: id, generation, start })
          attempt.ready(live, statusOf, keepAliveOf(options, welcome), welcome.spread ?? 0)
        },
        goaway: (goaway) => session.control(goaway, live, 0)
      })
      live.keepAlive(keepAliveOf(options, welcome), yield* Heartbeat.jitter)
      return live
    })

  return (attempt: Attempt<Ready>): Effect.Effect<LiveConnection, AttemptError, Scope.Scope> =>
    Effect.flatMap(terms.next, (given) =>
      Effect.tapError(open(attempt, given), (end) => {
        const said = unwelcome.ended(end, shownUrl(given.url))
        return said === undefined ? Effect.void : Effect.logWarning(`holdfast: ${said}`)
      })
    )
}

/**
 * Says hello and waits for the welcome. `on.welcome` is called in the tick in
 * which it arrives, before anything that follows it, and gives the connection
 * its next sink.
 */
const greet = (
  live: LiveConnection,
  codec: Codec,
  hello: Protocol.Hello,
  timeout: number,
  on: {
    readonly welcome: (welcome: Protocol.Welcome) => void
    readonly goaway: (goaway: Protocol.Goaway) => void
  }
): Effect.Effect<Protocol.Welcome, AttemptError> =>
  Effect.async<Protocol.Welcome, AttemptError>((resume) => {
    live.open({
      message: (frame) => {
        const message = codec.decode(frame)
        switch (message.type) {
          case "malformed":
            return live.violate(message.code, message.reason)
          case "goaway":
            return on.goaway(message)
          case "welcome":
            on.welcome(message)
            return resume(Effect.succeed(message))
          default:
            return live.violate(CloseCode.ProtocolViolation, `${message.type} before welcome`)
        }
      },
      drained: () => {},
      ended: (end) => resume(Effect.fail(end))
    })
    live.write(codec.encode(hello))
  }).pipe(
    Effect.timeoutOption(timeout),
    Effect.flatMap(
      Option.match({
        onSome: Effect.succeed,
        onNone: () =>
          Effect.suspend(() => {
            live.abandon(CloseCode.HelloTimeout, "no welcome in time")
            return Effect.fail(new WelcomeTimeout({ timeout }))
          })
      })
    )
  )
