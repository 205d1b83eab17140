/** The largest body that an end takes, to the byte: a frame has room for an envelope, too. */
import { CloseCode } from "../protocol/CloseCode.js"
import type { Codec, Frame, Malformed } from "../protocol/Codec.js"
import type * as Protocol from "../protocol/Protocol.js"
import { RefusedBody } from "../protocol/refusedBody.js"
import { malformed } from "../protocol/validate.js"

/** A bound in bytes of any body in this frame: a character of a text has three at most for each unit. */
const most = (frame: Frame): number => (typeof frame === "string" ? 3 * frame.length : frame.length)

/** The message of the frame, unless its body is larger than `limit`: a publication of a client's is answered, other messages are a violation. */
export const obeyed = (
  message: Protocol.Message | Malformed,
  codec: Codec,
  frame: Frame,
  limit: number
): Protocol.Message | Malformed => {
  if (most(frame) <= limit || !("body" in message)) return message
  const size = codec.bodySize(frame)
  if (size <= limit) return message
  const reason = `a body of ${size} bytes, and the limit is ${limit}`
  return message.type === "publish"
    ? { ...message, body: new RefusedBody("too-large", reason) }
    : malformed(reason, CloseCode.MessageTooBig)
}
