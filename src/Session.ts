/**
 * The session protocol as a pure function: `step(state, event)` gives the next
 * state and what is to be done about it. No Effect, no clock, no buffers in
 * here, so that it can be explored exhaustively; `internal/sessionDriver.ts`
 * drives it, and both ends use the same one.
 *
 * Messages are named by their sequence number, from 1 in each direction. The
 * messages themselves stay with the driver: those in `(acked, sent]` in the
 * replay buffer, those in `(processed, received]` in the inbox.
 *
 * @since 0.1.0
 */
import type * as Protocol from "./Protocol.js"

/**
 * Which connection, if any, acts for the session. A connection is named by the
 * generation it attached with; what comes from any other is stale.
 *
 * @since 0.1.0
 * @category models
 */
export type Link =
  | { readonly _tag: "Detached" }
  | { readonly _tag: "Attached"; readonly generation: number }
  | { readonly _tag: "Ended" }

/**
 * @since 0.1.0
 * @category models
 */
export interface State {
  readonly link: Link
  /** The latest generation that was attached; 0 before the first. */
  readonly generation: number
  /** Out: the last sequence number given to a message. */
  readonly sent: number
  /** Out: the last one that the store has; only these may leave. */
  readonly appended: number
  /** Out: the last one written to the connection that is attached now. */
  readonly transmitted: number
  /** Out: the last one ever written to any connection. */
  readonly highest: number
  /** Out: the last one that the peer has processed, as far as is known. */
  readonly acked: number
  /** In: the last one received in order. */
  readonly received: number
  /** In: the last one whose handler has succeeded. */
  readonly processed: number
  /** In: the last one whose processing the store has; only these may be acknowledged. */
  readonly recorded: number
  /** In: the last one acknowledged to the peer. */
  readonly ackSent: number
  /** In: how many messages the peer may have unprocessed here. */
  readonly window: number
}

/**
 * @since 0.1.0
 * @category models
 */
export type Event =
  /** The application sends a message. */
  | { readonly _tag: "Send" }
  /** The store has everything up to this one. */
  | { readonly _tag: "Appended"; readonly upTo: number }
  /** The next message was written to the connection, with this acknowledgement. */
  | { readonly _tag: "Transmitted"; readonly seq: number; readonly ack: number }
  /** A `data` message came. */
  | { readonly _tag: "Received"; readonly generation: number; readonly seq: number; readonly ack: number }
  /** An `ack` message came. */
  | { readonly _tag: "Acknowledged"; readonly generation: number; readonly ack: number }
  /** The handler of this message succeeded. */
  | { readonly _tag: "Processed"; readonly seq: number }
  /** The store has the processing of everything up to this one. */
  | { readonly _tag: "Recorded"; readonly upTo: number }
  /** An acknowledgement up to this one was written by itself. */
  | { readonly _tag: "AckSent"; readonly upTo: number }
  /**
   * A newer connection acts for the session. `peerProcessed` is the last
   * message of ours that the peer has processed, `peerOldest` the first of its
   * own that it can still retransmit, `told` what this end told the peer of its
   * own processing when it introduced itself.
   */
  | {
      readonly _tag: "Attach"
      readonly generation: number
      readonly peerProcessed: number
      readonly peerOldest: number
      readonly told: number
    }
  /** This connection is gone. */
  | { readonly _tag: "Detach"; readonly generation: number }
  /** The session is over. */
  | { readonly _tag: "End" }

/**
 * What the driver must do, in order.
 *
 * @since 0.1.0
 * @category models
 */
export type Effect =
  /** Have the store append everything in `(appended, sent]`, then say `Appended`. */
  | { readonly _tag: "Append" }
  /** Write what is in `(transmitted, appended]` as far as the connection takes it, saying `Transmitted` for each. */
  | { readonly _tag: "Transmit" }
  /** Forget the messages up to this one: the peer has processed them. */
  | { readonly _tag: "Release"; readonly upTo: number }
  /** Hand this message to the application. */
  | { readonly _tag: "Deliver"; readonly seq: number }
  /** This message was here before: drop it. */
  | { readonly _tag: "Suppress"; readonly seq: number }
  /** `recorded` is ahead of `ackSent`: acknowledge soon. */
  | { readonly _tag: "AckDue" }
  /** The peer broke the protocol: close with 4400 and this reason. */
  | { readonly _tag: "Violation"; readonly reason: string }
  /** The session cannot go on where it was. */
  | { readonly _tag: "Refuse"; readonly reason: Protocol.ResetReason }

/**
 * @since 0.1.0
 * @category models
 */
export type Step = readonly [State, ReadonlyArray<Effect>]

/**
 * A session in which nothing has happened yet.
 *
 * `window` is the number of unprocessed messages that the peer may have here.
 *
 * @since 0.1.0
 * @category constructors
 */
export const initial = (window: number): State => ({
  link: { _tag: "Detached" },
  generation: 0,
  sent: 0,
  appended: 0,
  transmitted: 0,
  highest: 0,
  acked: 0,
  received: 0,
  processed: 0,
  recorded: 0,
  ackSent: 0,
  window
})

/**
 * A session as a store remembers it, on a node that has not seen it before.
 *
 * @since 0.1.0
 * @category constructors
 */
export const restored = (
  window: number,
  stored: { readonly sent: number; readonly acked: number; readonly processed: number }
): State => ({
  ...initial(window),
  sent: stored.sent,
  appended: stored.sent,
  transmitted: stored.acked,
  highest: stored.sent,
  acked: stored.acked,
  received: stored.processed,
  processed: stored.processed,
  recorded: stored.processed,
  ackSent: stored.processed
})

const none: ReadonlyArray<Effect> = []
const append: ReadonlyArray<Effect> = [{ _tag: "Append" }]
const transmit: ReadonlyArray<Effect> = [{ _tag: "Transmit" }]
const ackDue: ReadonlyArray<Effect> = [{ _tag: "AckDue" }]

const violation = (state: State, reason: string): Step => [state, [{ _tag: "Violation", reason }]]

const isStale = (state: State, generation: number): boolean =>
  state.link._tag !== "Attached" || state.link.generation !== generation

/** Takes the peer's word that it has processed everything up to `ack`. */
const acknowledge = (state: State, ack: number): Step =>
  ack <= state.acked
    ? [state, none]
    : [
        { ...state, acked: ack, transmitted: Math.max(state.transmitted, ack) },
        [{ _tag: "Release", upTo: ack }, ...(ack < state.appended ? transmit : none)]
      ]

const neverSent = (state: State, ack: number): string => `ack ${ack}, but the last message sent was ${state.highest}`

const received = (state: State, seq: number, ack: number): Step => {
  if (ack > state.highest) return violation(state, neverSent(state, ack))
  const [next, effects] = acknowledge(state, ack)
  if (seq <= next.received) {
    // The peer has not heard that it was processed: say it again.
    return seq <= next.recorded
      ? [{ ...next, ackSent: Math.min(next.ackSent, seq - 1) }, [...effects, { _tag: "Suppress", seq }, ...ackDue]]
      : [next, [...effects, { _tag: "Suppress", seq }]]
  }
  if (seq > next.received + 1) {
    return violation(state, `gap: message ${seq} came, ${next.received + 1} was expected`)
  }
  if (seq > next.processed + next.window) {
    return violation(state, `more than ${next.window} messages sent without waiting for acknowledgement`)
  }
  return [{ ...next, received: seq }, [...effects, { _tag: "Deliver", seq }]]
}

const attach = (state: State, event: Extract<Event, { _tag: "Attach" }>): Step => {
  if (event.generation <= state.generation) return [state, none]
  const { generation, peerOldest, peerProcessed } = event
  // Complete or refused: what the peer still needs must be here, and the other way round.
  if (peerProcessed < state.acked || peerProcessed > state.highest || peerOldest > state.received + 1) {
    return [state, [{ _tag: "Refuse", reason: "incomplete" }]]
  }
  return [
    {
      ...state,
      link: { _tag: "Attached", generation },
      generation,
      acked: peerProcessed,
      transmitted: peerProcessed,
      ackSent: event.told
    },
    [{ _tag: "Release", upTo: peerProcessed }, ...transmit, ...(state.recorded > event.told ? ackDue : none)]
  ]
}

/**
 * One step of a session. Events that name another generation than the one
 * attached change nothing.
 *
 * @since 0.1.0
 * @category step
 */
export const step = (state: State, event: Event): Step => {
  if (state.link._tag === "Ended") return [state, none]
  switch (event._tag) {
    case "Send":
      return [{ ...state, sent: state.sent + 1 }, append]
    case "Appended":
      return event.upTo <= state.appended
        ? [state, none]
        : [{ ...state, appended: event.upTo }, state.link._tag === "Attached" ? transmit : none]
    case "Transmitted":
      return state.link._tag !== "Attached" || event.seq !== state.transmitted + 1
        ? [state, none]
        : [
            {
              ...state,
              transmitted: event.seq,
              highest: Math.max(state.highest, event.seq),
              ackSent: Math.max(state.ackSent, event.ack)
            },
            none
          ]
    case "Received":
      return isStale(state, event.generation) ? [state, none] : received(state, event.seq, event.ack)
    case "Acknowledged":
      if (isStale(state, event.generation)) return [state, none]
      return event.ack > state.highest ? violation(state, neverSent(state, event.ack)) : acknowledge(state, event.ack)
    case "Processed":
      return event.seq !== state.processed + 1 || event.seq > state.received
        ? [state, none]
        : [{ ...state, processed: event.seq }, none]
    case "Recorded":
      return event.upTo <= state.recorded || event.upTo > state.processed
        ? [state, none]
        : [{ ...state, recorded: event.upTo }, state.link._tag === "Attached" ? ackDue : none]
    case "AckSent":
      return [{ ...state, ackSent: Math.max(state.ackSent, event.upTo) }, none]
    case "Attach":
      return attach(state, event)
    case "Detach":
      return isStale(state, event.generation) ? [state, none] : [{ ...state, link: { _tag: "Detached" } }, none]
    case "End":
      return [{ ...state, link: { _tag: "Ended" } }, none]
  }
}
