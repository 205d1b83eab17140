/** What just happened, in plain words. */
import { ClientStatus, type ConnectionError } from "holdfast"

export type Tone = "good" | "bad" | "lost" | "plain" | "fault"

export const seconds = (millis: number): string => `${(Math.max(0, millis) / 1000).toFixed(1)} s`

const times = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`

const ended = (end: ConnectionError.AttemptError): string => {
  switch (end._tag) {
    case "ReadDeadlineExceeded":
      return `Nothing heard for ${seconds(end.deadline)}: the connection is dead.`
    case "ConnectionLost":
      return "The connection broke."
    case "ClosedByPeer":
      // What a page sees of a connection that broke.
      return end.code === 1006
        ? "The connection broke."
        : `The server closed the connection (${end.code}${end.reason === "" ? "" : `: ${end.reason}`}).`
    case "DialFailed":
      return "No connection: the server is away, or refuses us (a browser does not say which)."
    case "ConnectTimeout":
      return `No connection within ${seconds(end.timeout)}.`
    case "WelcomeTimeout":
      return `Connected, but no welcome came within ${seconds(end.timeout)}.`
    default:
      return `${end.message}.`
  }
}

const cut = ({ idleTimeout }: { readonly idleTimeout: number | undefined }): string =>
  idleTimeout === undefined ? "" : ` A proxy cuts what is silent for ${seconds(idleTimeout)}.`

const lostBecause: Record<Extract<ClientStatus.Start, { _tag: "Reset" }>["reason"], string> = {
  unknown: "the server does not know it, it may have been restarted",
  expired: "we were away for too long",
  overflow: "more was sent to us than is kept",
  secret: "it is not ours",
  incomplete: "what we missed is not kept any more",
  ended: "the server has ended it"
}

export const ofStatus = (status: ClientStatus.Status): { readonly text: string; readonly tone: Tone } | undefined => {
  switch (status._tag) {
    case "Connecting":
      return undefined // the wait before it has told of it
    case "Waiting":
      return { text: `${ended(status.reason)} Trying again in ${seconds(status.delay)}.${cut(status)}`, tone: "bad" }
    case "Ended":
      return { text: `The end: ${ClientStatus.describeEnd(status.reason)}. Reload to begin anew.`, tone: "lost" }
    case "Ready":
      switch (status.start._tag) {
        case "Fresh":
          return { text: "Connected: a new session has begun.", tone: "good" }
        case "Reset": {
          const { carriedOver, outcomeUnknown, reason } = status.start
          const fates = [
            outcomeUnknown === 0 ? "" : `${times(outcomeUnknown, "message")} may or may not have been processed`,
            carriedOver === 0 ? "" : `${times(carriedOver, "message")} not sent yet went into the new one`
          ].filter((fate) => fate !== "")
          const text = `Reset: the old session is lost (${lostBecause[reason]}), and a new one has begun.`
          return { text: fates.length === 0 ? text : `${text} ${fates.join("; ")}.`, tone: "lost" }
        }
        case "Resumed":
          return undefined // told of once it is known what was sent again
      }
  }
}

/** `away` is undefined where the page was loaded again meanwhile. */
export const ofResume = (away: number | undefined, replayed: number): string => {
  const again =
    replayed === 0
      ? "nothing had to be sent again, and nothing was lost"
      : `${times(replayed, "message was", "messages were")} sent again, none twice`
  return away === undefined
    ? `Resumed: this page was loaded again, and goes on with its session; ${again}.`
    : `Resumed ${seconds(away)} after the loss was noticed: ${again}.`
}

export const ofEvent = (
  event: ClientStatus.ClientEvent
): { readonly text: string; readonly tone: Tone } | undefined => {
  switch (event._tag) {
    case "SessionLost":
      return undefined // the status tells the same
    case "MessageInvalid":
      return { text: event.error.message, tone: "bad" }
    case "Refused":
      return { text: `The server refused (${event.code}): ${event.reason}.`, tone: "bad" }
    case "Invited":
      return { text: `The server has subscribed us to ${event.topic}.`, tone: "plain" }
    case "GoingAway":
      return { text: `The server goes away, and asks us back in ${seconds(event.retryAfter)}.`, tone: "plain" }
    case "TokenUnavailable":
      return { text: event.error.message, tone: "bad" }
    case "NotKept":
      return { text: "This page cannot keep its session: loaded again, it starts a new one.", tone: "plain" }
  }
}
