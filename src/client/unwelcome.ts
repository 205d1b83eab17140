/** A server that takes connections and never welcomes anybody may not be a Holdfast gateway, which is said once. */
import { CloseCode } from "../protocol/CloseCode.js"
import type { AttemptError } from "../protocol/ConnectionError.js"

/** A gateway closes a hello that it does not take with one of these; others close with codes of their own. */
const known: ReadonlySet<number> = new Set([
  CloseCode.Normal,
  CloseCode.GoingAway,
  CloseCode.NoStatus,
  CloseCode.Abnormal,
  CloseCode.MessageTooBig,
  CloseCode.InternalError,
  CloseCode.ServiceRestart,
  CloseCode.TryAgainLater,
  CloseCode.BadGateway,
  ...Object.values(CloseCode).filter((code) => code >= 4000)
])

/** True of an end, before any welcome, that a gateway would not have brought about. */
const isForeign = (end: AttemptError): boolean => {
  switch (end._tag) {
    case "WelcomeTimeout":
    case "PeerViolation":
      return true
    case "ClosedByPeer":
      return !known.has(end.code)
    case "DialFailed":
      // It has not chosen the one that it was offered.
      return end.cause instanceof Error && /subprotocol/i.test(end.cause.message)
    default:
      return false
  }
}

/** One may have been overloaded. */
const enough = 2

export class Unwelcome {
  private times = 0
  private isOver = false

  welcomed(): void {
    this.isOver = true
  }

  /** An attempt has ended. What is to be said of it, if anything. */
  ended(end: AttemptError, url: string): string | undefined {
    if (this.isOver || !isForeign(end)) return undefined
    // What a server says that is no welcome, it will say again.
    if (++this.times < enough && end._tag !== "PeerViolation") return undefined
    this.isOver = true
    return `${url} has welcomed no connection (${end.message}): is it a Holdfast gateway? To any other server there is Connection.keep`
  }
}
