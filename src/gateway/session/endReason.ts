/** The meaning of a session's end for its client, and for the store. */
import { CloseCode } from "../../protocol/CloseCode.js"
import type { Loss, Tombstone } from "../../session/SessionStore.js"
import type { SessionEnd } from "../GatewaySession.js"

/** The close code and reason that the client is told. */
export const closing = (end: SessionEnd): readonly [code: number, reason: string] => {
  switch (end._tag) {
    case "Bye":
      return [CloseCode.Normal, "bye"]
    case "Expired":
      return [CloseCode.SessionReset, "the session expired"]
    case "Ended":
      return [end.final ? CloseCode.SessionEnded : CloseCode.SessionReset, end.reason]
    case "NotAuthenticated":
      return [CloseCode.NotAuthenticated, end.reason]
    case "NotAllowed":
      return [CloseCode.NotAllowed, end.reason]
    case "HandlerFailed":
      return [CloseCode.SessionReset, "the server failed to handle a message"]
    case "Overflow":
      return [CloseCode.TooSlow, "more messages wait than are kept"]
    case "Incomplete":
      return [CloseCode.SessionReset, "the session cannot go on"]
    case "MovedAway":
      return [CloseCode.TakenOver, "the session was resumed on another gateway"]
    case "Lost":
      // Coming back, the client hears the reason from the store, if that knows one.
      return [CloseCode.InternalError, "the session is lost"]
    case "Shutdown":
      return [CloseCode.ServiceRestart, "the server restarts"]
  }
}

/** The tombstone that the store keeps, to tell a client that comes back. */
export const tombstone = (end: SessionEnd): Tombstone | undefined => {
  switch (end._tag) {
    case "Expired":
    // Who resumes has been authenticated again, and is who the session belonged to: it may begin afresh.
    case "NotAuthenticated":
    case "NotAllowed":
      return { _tag: "Expired" }
    case "Overflow":
      return { _tag: "Overflow" }
    case "Ended":
      return end
    case "HandlerFailed":
      return { _tag: "Ended", reason: closing(end)[1], final: false }
    default:
      return undefined
  }
}

/** How a session ends here that the store says is lost to this gateway. */
export const endOf = (loss: Loss): SessionEnd => {
  if (loss._tag === "TakenOver") return { _tag: "MovedAway" }
  switch (loss.tombstone?._tag) {
    case "Ended":
    case "Expired":
      return loss.tombstone
    default:
      return { _tag: "Lost" }
  }
}
