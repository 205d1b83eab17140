/** The client's half of opening a connection: dial, hello, welcome. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Dialer, DialRequest } from "../connection/Dialer.js"
import * as liveConnection from "../connection/liveConnection.js"
import type { Resolved } from "../connection/Options.js"
import { CloseCode } from "../protocol/CloseCode.js"
import { type Codec, envelopeBytes } from "../protocol/Codec.js"
import { type AttemptError, ConnectTimeout, WelcomeTimeout } from "../protocol/ConnectionError.js"
import type * as Protocol from "../protocol/Protocol.js"

/** Dials, bounded by the connect timeout; the scope owns the connection. */
export const dial = (
  dialer: Dialer["Type"],
  options: Resolved,
  request: Pick<DialRequest, "url" | "headers" | "protocols">
): Effect.Effect<liveConnection.LiveConnection, AttemptError, Scope.Scope> => {
  const { closeTimeout, connectTimeout: timeout, maxMessage } = options
  return dialer.dial({ ...request, maxFrame: maxMessage + envelopeBytes, closeTimeout }).pipe(
    Effect.timeoutFail({
      duration: timeout,
      onTimeout: () => new ConnectTimeout({ url: request.url, timeout })
    }),
    Effect.flatMap((transport) => liveConnection.make(transport, options))
  )
}

/**
 * Says hello and waits for the welcome. `on.welcome` is called in the tick in
 * which it arrives, before anything that follows it, and gives the connection
 * its next sink.
 */
export const greet = (
  live: liveConnection.LiveConnection,
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
