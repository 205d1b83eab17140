/** Decides what becomes of a caller who asks for a session, from what the store and this gateway know of it. */
import { CloseCode } from "../protocol/CloseCode.js"
import type { ResetReason } from "../protocol/Protocol.js"
import type { Attached } from "../session/SessionStore.js"
import type { SessionEnd } from "./GatewaySession.js"
import type { Refusal } from "./quota/sessionQuota.js"
import { closing } from "./session/endReason.js"

/** A new session in the place of the one that was asked for, or the connection's close. */
type TurnedAway =
  | { readonly _tag: "Begin"; readonly reason: ResetReason }
  | { readonly _tag: "Close"; readonly code: number; readonly reason: string }

/**
 * - `Begin` and `Close`: there is nothing to resume; the store has given nothing.
 * - `Over`: it ended here while the store answered, which has given it all the same; what comes instead.
 * - `Revoked`: it was disconnected while the store answered.
 * - `Outdated`: what lives here is not the session as it stands, and ends; then it is looked at again.
 * - `Full`: no more sessions can live here.
 * - `GoOn`: it lives here, and nobody else has had it since.
 * - `Restore`: it lives here from now on, as the store has it.
 */
export type Decision =
  | TurnedAway
  | { readonly _tag: "Over"; readonly instead: TurnedAway }
  | { readonly _tag: "Revoked"; readonly reason: string }
  | { readonly _tag: "Outdated" }
  | { readonly _tag: "Full"; readonly refusal: Refusal }
  | { readonly _tag: "GoOn" }
  | { readonly _tag: "Restore" }

/** The session as this gateway knows it, now that the store has answered. */
export interface Here {
  /** Why the one is over that lived here when the store was asked. */
  readonly ended: SessionEnd | undefined
  /** Of the one that lives here now. */
  readonly generation: number | undefined
}

const begin = (reason: ResetReason): TurnedAway => ({ _tag: "Begin", reason })
const close = (code: number, reason: string): TurnedAway => ({ _tag: "Close", code, reason })

export const plan = (
  attached: Attached,
  here: Here,
  /** Why its principal, or the session, was disconnected since the caller came. */
  revoked: string | undefined,
  full: Refusal | undefined
): Decision => {
  switch (attached._tag) {
    case "Unknown":
      return begin("unknown")
    case "Mismatch":
      return begin("secret")
    case "Superseded":
      return close(CloseCode.TakenOver, "a later attempt has resumed this session")
    case "Gone": {
      const { tombstone } = attached
      if (tombstone._tag === "Ended") {
        return tombstone.final ? close(CloseCode.SessionEnded, tombstone.reason) : begin("ended")
      }
      return begin(tombstone._tag === "Overflow" ? "overflow" : "expired")
    }
    case "Attached": {
      const { generation } = attached.session
      const over = here.ended === undefined ? undefined : afterEnd(here.ended)
      if (over !== undefined) return { _tag: "Over", instead: over }
      if (revoked !== undefined) return { _tag: "Revoked", reason: revoked }
      if (here.generation !== undefined) {
        if (here.generation >= generation) {
          return close(CloseCode.TakenOver, "a newer connection of this session took over")
        }
        return { _tag: here.generation === generation - 1 ? "GoOn" : "Outdated" }
      }
      return full === undefined ? { _tag: "Restore" } : { _tag: "Full", refusal: full }
    }
  }
}

/** Turns a client away whose session has ended just now; one that has moved away can be taken back. */
const afterEnd = (end: SessionEnd): TurnedAway | undefined => {
  switch (end._tag) {
    case "MovedAway":
      return undefined
    case "Ended":
      return end.final ? close(...closing(end)) : begin("ended")
    case "HandlerFailed":
      return begin("ended")
    case "Shutdown":
      return close(...closing(end))
    case "Overflow":
      return begin("overflow")
    case "Expired":
    case "NotAuthenticated":
    case "NotAllowed":
      return begin("expired")
    case "Incomplete":
      return begin("incomplete")
    case "Bye":
    case "Lost":
      return begin("unknown")
  }
}
