/**
 * Close codes, the verdict on each, and byte-safe close reasons.
 *
 * @since 0.1.0
 */
import type * as ConnectionError from "./ConnectionError.js"
import { withinBytes } from "./oneLine.js"

/**
 * The codes that Holdfast sends or gives a meaning of its own
 * (RFC 6455 §7.4.1, the IANA registry, and 44xx of `PROTOCOL.md`).
 *
 * @since 0.1.0
 * @category codes
 */
export const CloseCode = {
  Normal: 1000,
  GoingAway: 1001,
  ProtocolError: 1002,
  UnsupportedData: 1003,
  NoStatus: 1005,
  Abnormal: 1006,
  InvalidPayload: 1007,
  PolicyViolation: 1008,
  MessageTooBig: 1009,
  MandatoryExtension: 1010,
  InternalError: 1011,
  ServiceRestart: 1012,
  TryAgainLater: 1013,
  BadGateway: 1014,
  /** The peer broke the Holdfast protocol; the reason says how. */
  ProtocolViolation: 4400,
  NotAuthenticated: 4401,
  NotAllowed: 4403,
  HelloTimeout: 4408,
  /** A newer connection of the same session took over. */
  TakenOver: 4409,
  /** The session has ended for good. */
  SessionEnded: 4410,
  /** The session has ended, and its client may begin another. */
  SessionReset: 4411,
  TooSlow: 4413,
  TooManyRequests: 4429
} as const

/**
 * The decision after a close: `Resume` (reconnect after a delay and resume the
 * session) or `Stop` (a retry would meet the same answer).
 *
 * The union is closed, so callers can match it exhaustively.
 *
 * @since 0.1.0
 * @category verdict
 */
export type Verdict =
  | {
      readonly _tag: "Resume"
      readonly why: "Lost" | "TryLater" | "HelloTimeout" | "SessionReset" | "TooSlow" | "TooManyRequests"
    }
  | {
      readonly _tag: "Stop"
      readonly why: "Ended" | "Refused" | "NotAuthenticated" | "NotAllowed" | "TakenOver" | "SessionEnded"
    }

/**
 * The verdict that a retry would meet the same answer.
 *
 * @since 0.1.0
 * @category verdict
 */
export const stop = (why: Extract<Verdict, { _tag: "Stop" }>["why"]): Verdict => ({ _tag: "Stop", why })

/**
 * The verdict to try again, after a delay.
 *
 * @since 0.1.0
 * @category verdict
 */
export const resume = (why: Extract<Verdict, { _tag: "Resume" }>["why"]): Verdict => ({ _tag: "Resume", why })

/**
 * The verdict on a close code. Total: every number has one.
 *
 * `byeSent` tells whether this end had said `bye` before: 1000 then means
 * "ended as asked", without it "lost" (a proxy or a restarting server closes
 * with 1000 too: graphql-ws #446).
 *
 * @since 0.1.0
 * @category verdict
 */
export const verdict = (code: number, options?: { readonly byeSent?: boolean | undefined }): Verdict => {
  switch (code) {
    case CloseCode.Normal:
      return options?.byeSent === true ? stop("Ended") : resume("Lost")
    case CloseCode.GoingAway:
    case CloseCode.NoStatus:
    case CloseCode.Abnormal:
    case CloseCode.InternalError:
      return resume("Lost")
    case CloseCode.ServiceRestart:
    case CloseCode.TryAgainLater:
    case CloseCode.BadGateway:
      return resume("TryLater")
    case CloseCode.ProtocolError:
    case CloseCode.UnsupportedData:
    case CloseCode.InvalidPayload:
    case CloseCode.PolicyViolation:
    case CloseCode.MessageTooBig:
    case CloseCode.MandatoryExtension:
    case CloseCode.ProtocolViolation:
      return stop("Refused")
    case CloseCode.NotAuthenticated:
      return stop("NotAuthenticated")
    case CloseCode.NotAllowed:
      return stop("NotAllowed")
    case CloseCode.HelloTimeout:
      return resume("HelloTimeout")
    case CloseCode.TakenOver:
      return stop("TakenOver")
    case CloseCode.SessionEnded:
      return stop("SessionEnded")
    case CloseCode.SessionReset:
      return resume("SessionReset")
    case CloseCode.TooSlow:
      return resume("TooSlow")
    case CloseCode.TooManyRequests:
      return resume("TooManyRequests")
    default:
      return code >= 4500 && code <= 4999 ? stop("Refused") : resume("Lost")
  }
}

/**
 * The classic question: is this close code none of those I expected?
 * (gorilla/websocket `IsUnexpectedCloseError`.)
 *
 * @since 0.1.0
 * @category verdict
 */
export const isUnexpected = (code: number, ...expected: ReadonlyArray<number>): boolean => !expected.includes(code)

/**
 * True when an endpoint may put this code into a close frame (RFC 6455 §7.4).
 *
 * @since 0.1.0
 * @category codes
 */
export const isSendable = (code: number): boolean =>
  (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999)

/**
 * The largest close reason in bytes: a control frame's 125 less the code's 2
 * (RFC 6455 §5.5).
 *
 * @since 0.1.0
 * @category reasons
 */
export const maxReasonBytes = 123

const lineEnds = /[\p{Cc}\u2028\u2029]/gu

/**
 * Cuts a close reason to at most 123 *bytes* of valid UTF-8, never inside a
 * character, and to one line. Lone surrogates become U+FFFD.
 *
 * @since 0.1.0
 * @category reasons
 */
export const truncateReason = (reason: string): string =>
  withinBytes(reason.slice(0, maxReasonBytes).replace(lineEnds, " "), maxReasonBytes)

/**
 * The verdict on the typed end of a connection or of an attempt to make one,
 * by itself: a client whose token is an effect tries once more where this says
 * `NotAuthenticated`. `wasReady` tells whether this end has had a welcome
 * before, so that its URL is good: see `verdictOfStatus`.
 *
 * @since 0.1.0
 * @category verdict
 */
export const verdictOf = (
  end: ConnectionError.AttemptError,
  options?: { readonly byeSent?: boolean | undefined; readonly wasReady?: boolean | undefined }
): Verdict => {
  switch (end._tag) {
    case "ClosedByPeer":
    case "ClosedLocally":
      return verdict(end.code, options)
    case "PeerViolation":
      return verdict(end.code)
    case "ReadDeadlineExceeded":
    case "WriteDeadlineExceeded":
    case "ConnectionLost":
    case "ConnectTimeout":
    case "DialFailed":
    case "TokenUnavailable":
    case "OnConnectFailed":
      return resume("Lost")
    case "WelcomeTimeout":
      return resume("HelloTimeout")
    case "DialRefused":
      return verdictOfStatus(end.status, { refusal: end.refusal, wasReady: options?.wasReady })
  }
}

/**
 * The verdict on an HTTP status that answered the upgrade. 401 and 403 are the
 * server's word on who asks; 404 is retried, because a proxy answers it while
 * a server is being replaced; the other 3xx and 4xx refuse the request as it
 * stands, except those that ask to come later.
 *
 * A gateway says by a header that a refusal is its own (`refusal`). Without it
 * the answer may be that of a proxy, or of a captive portal, which passes by
 * itself: it is final only for an end that was never Ready, whose URL may be
 * wrong.
 *
 * @since 0.1.0
 * @category verdict
 */
export const verdictOfStatus = (
  status: number,
  options?: { readonly refusal?: string | undefined; readonly wasReady?: boolean | undefined }
): Verdict => {
  const isSomebodyElse = options?.wasReady === true && options.refusal === undefined
  if (isSomebodyElse && status !== 429) return resume("TryLater")
  switch (status) {
    case 401:
      return stop("NotAuthenticated")
    case 403:
      return stop("NotAllowed")
    case 429:
      return resume("TooManyRequests")
    case 404:
    case 408:
    case 425:
      return resume("TryLater")
    default:
      return status >= 300 && status < 500 ? stop("Refused") : resume("TryLater")
  }
}
