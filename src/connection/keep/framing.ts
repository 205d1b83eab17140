/** How the messages of a kept connection are framed: as they are, or as JSON texts by Schema. */
import * as Either from "effect/Either"
import { byteLength, type Frame } from "../../protocol/Codec.js"
import { MessageInvalid, MessageTooLarge } from "../../protocol/ConnectionError.js"
import type { Messages } from "../../protocol/Messages.js"
import * as messageCodec from "../../protocol/messageCodec.js"
import type { Framing } from "./inbound.js"

const invalid = (issue: string) => new MessageInvalid({ seq: undefined, issue })

const withinLimit =
  (limit: number) =>
  (frame: Frame): Either.Either<Frame, MessageTooLarge> => {
    const size = byteLength(frame)
    return size > limit ? Either.left(new MessageTooLarge({ size, limit })) : Either.right(frame)
  }

/** Frames as they come and go. */
export const frames = (maxMessage: number): Framing<Frame, Frame> => ({
  encode: withinLimit(maxMessage),
  decode: Either.right
})

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
export const json = <Out, In>(messages: Messages<Out, In>, maxMessage: number): Framing<Out, In> => {
  const encode = messageCodec.encoded(messages.client)
  const decode = messageCodec.decoder(messages.server)
  const within = withinLimit(maxMessage)
  return {
    encode: (message) => Either.flatMap(Either.flatMap(encode(message), stringified), within),
    decode: (frame) => Either.flatMap(parsed(frame), (value) => decode(value, undefined))
  }
}
