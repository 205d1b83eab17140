/** How the messages of a kept connection are framed: as they are, as JSON texts by Schema, or in a way of the application's. */
import * as Either from "effect/Either"
import type { Frame } from "../../protocol/Codec.js"
import { MessageInvalid } from "../../protocol/ConnectionError.js"
import type { Messages } from "../../protocol/Messages.js"
import * as messageCodec from "../../protocol/messageCodec.js"
import type { Framing } from "./kept.js"

const invalid = (issue: string) => new MessageInvalid({ seq: undefined, issue })

/** Frames as they come and go. */
export const frames: Framing<Frame, Frame> = {
  encode: Either.right,
  decoder: () => (frame) => Either.right([frame])
}

/** What a text is not is not said: it may be a secret. */
const parsed = (frame: Frame): Either.Either<unknown, MessageInvalid> => {
  if (typeof frame !== "string") return Either.left(invalid("a binary message, and JSON text is expected"))
  try {
    return Either.right(JSON.parse(frame))
  } catch {
    return Either.left(invalid("not JSON"))
  }
}

const stringified = (value: unknown): Either.Either<string, MessageInvalid> => {
  try {
    const text: unknown = JSON.stringify(value)
    return typeof text === "string" ? Either.right(text) : Either.left(invalid("no value that JSON has"))
  } catch (error) {
    return Either.left(invalid(error instanceof Error ? error.message : String(error)))
  }
}

/** One JSON text a message. */
export const json = <Out, In>(messages: Messages<Out, In>): Framing<Out, In> => {
  const encode = messageCodec.encoded(messages.client)
  const decode = messageCodec.decoder(messages.server)
  return {
    encode: (message) => Either.flatMap(encode(message), stringified),
    decoder: () => (frame) =>
      Either.map(
        Either.flatMap(parsed(frame), (value) => decode(value, undefined)),
        (message) => [message]
      )
  }
}
