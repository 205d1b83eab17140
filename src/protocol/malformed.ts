/** The thing that takes the place of a message where a frame has brought none. */
import { CloseCode } from "./CloseCode.js"

/**
 * Why a frame is not a message of the protocol, with the close code it earns.
 *
 * @since 0.1.0
 * @category models
 */
export interface Malformed {
  readonly type: "malformed"
  readonly code: number
  readonly reason: string
}

export const malformed = (reason: string, code: number = CloseCode.ProtocolViolation): Malformed => ({
  type: "malformed",
  code,
  reason
})
