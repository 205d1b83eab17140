/**
 * The session protocol as a pure function: `step(state, event)` gives the next
 * state and what is to be done about it. No Effect, no clock, no buffers in
 * here, so that it can be explored exhaustively; `session/sessionDriver.ts`
 * drives it, and both ends use the same one.
 *
 * Messages are named by their sequence number, from 1 in each direction. The
 * messages themselves stay with the driver: those in `(acked, sent]` in the
 * replay buffer, those in `(processed, received]` in the inbox. One that comes
 * in passes through, from the event to the effect that says what becomes of it.
 *
 * @since 0.1.0
 */
import type * as Protocol from "../protocol/Protocol.js"

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
 * The state of one end of a session, in numbers: the messages stay with the driver.
 *
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
 * A message of the peer: of all that it may carry, the state looks at its number alone.
 *
 * @since 0.1.0
 * @category models
 */
export interface Numbered {
  readonly seq: number
}

/**
 * Something that has happened to a session.
 *
 * @since 0.1.0
 * @category models
 */
export type Event<M extends Numbered = Numbered> =
  /** The application sends a message. */
  | { readonly _tag: "Send" }
  /** The store has everything up to this one. */
  | { readonly _tag: "Appended"; readonly upTo: number }
  /** The application has given up this message: those after it move up, if it was never written. */
  | { readonly _tag: "Withdrawn"; readonly seq: number }
  /** The next message was written to the connection, with this acknowledgement. */
  | { readonly _tag: "Transmitted"; readonly seq: number; readonly ack: number }
  /** A `data` message came. */
  | { readonly _tag: "Received"; readonly generation: number; readonly message: M; readonly ack: number }
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
 * A thing that the driver must do; they come in order.
 *
 * @since 0.1.0
 * @category models
 */
export type Effect<M extends Numbered = Numbered> =
  /** Have the store append everything in `(appended, sent]`, then say `Appended`. */
  | { readonly _tag: "Append" }
  /** Write what is in `(transmitted, appended]` as far as the connection takes it, saying `Transmitted` for each. */
  | { readonly _tag: "Transmit" }
  /** Forget the messages up to this one: the peer has processed them. */
  | { readonly _tag: "Release"; readonly upTo: number }
  /** Forget this message, and number those after it anew, each one lower. */
  | { readonly _tag: "Withdraw"; readonly seq: number }
  /** Hand this message to the application. */
  | { readonly _tag: "Deliver"; readonly message: M }
  /** This message was here before: drop it. */
  | { readonly _tag: "Suppress"; readonly message: M }
  /** `recorded` is ahead of `ackSent`: acknowledge soon. */
  | { readonly _tag: "AckDue" }
  /** The peer broke the protocol: close with 4400 and this reason. */
  | { readonly _tag: "Violation"; readonly reason: string }
  /** The session cannot go on where it was. */
  | { readonly _tag: "Refuse"; readonly reason: Protocol.ResetReason }

/**
 * The next state, and what the driver must do, in order.
 *
 * @since 0.1.0
 * @category models
 */
export type Step<M extends Numbered = Numbered> = readonly [State, ReadonlyArray<Effect<M>>]

const detached: Link = { _tag: "Detached" }

/**
 * A session in which nothing has happened yet.
 *
 * `window` is the number of unprocessed messages that the peer may have here.
 *
 * @since 0.1.0
 * @category constructors
 */
export const initial = (window: number): State => ({
  link: detached,
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

/**
 * A state that its owner, who alone refers to it, lets change in place.
 *
 * @since 0.1.0
 * @category models
 */
export type Draft = { -readonly [K in keyof State]: State[K] }

/** Those that are about no message of the peer. */
type Own = Effect<never>

const none: ReadonlyArray<Own> = []
const append: ReadonlyArray<Own> = [{ _tag: "Append" }]
const transmit: ReadonlyArray<Own> = [{ _tag: "Transmit" }]
const ackDue: ReadonlyArray<Own> = [{ _tag: "AckDue" }]

const violation = (reason: string): ReadonlyArray<Own> => [{ _tag: "Violation", reason }]

const isStale = (state: State, generation: number): boolean =>
  state.link._tag !== "Attached" || state.link.generation !== generation

/** Takes the peer's word that it has processed everything up to `ack`. */
const acknowledge = (state: Draft, ack: number): ReadonlyArray<Own> => {
  if (ack <= state.acked) return none
  state.acked = ack
  state.transmitted = Math.max(state.transmitted, ack)
  return ack < state.appended ? [{ _tag: "Release", upTo: ack }, ...transmit] : [{ _tag: "Release", upTo: ack }]
}

const neverSent = (state: State, ack: number): string => `ack ${ack}, but the last message sent was ${state.highest}`

const received = <M extends Numbered>(state: Draft, message: M, ack: number): ReadonlyArray<Effect<M>> => {
  const { seq } = message
  if (ack > state.highest) return violation(neverSent(state, ack))
  if (seq > state.received + 1) return violation(`gap: message ${seq} came, ${state.received + 1} was expected`)
  if (seq > state.received && seq > state.processed + state.window) {
    return violation(`more than ${state.window} messages sent without waiting for acknowledgement`)
  }
  const effects = acknowledge(state, ack)
  if (seq > state.received) {
    state.received = seq
    return effects === none ? [{ _tag: "Deliver", message }] : [...effects, { _tag: "Deliver", message }]
  }
  if (seq > state.recorded) return [...effects, { _tag: "Suppress", message }]
  // The peer has not heard that it was processed: say it again.
  state.ackSent = Math.min(state.ackSent, seq - 1)
  return [...effects, { _tag: "Suppress", message }, ...ackDue]
}

const attach = (state: Draft, event: Extract<Event, { _tag: "Attach" }>): ReadonlyArray<Own> => {
  if (event.generation <= state.generation) return none
  const { generation, peerOldest, peerProcessed } = event
  // Complete or refused: what the peer still needs must be here, and the other way round.
  if (peerProcessed < state.acked || peerProcessed > state.highest || peerOldest > state.received + 1) {
    return [{ _tag: "Refuse", reason: "incomplete" }]
  }
  state.link = { _tag: "Attached", generation }
  state.generation = generation
  state.acked = peerProcessed
  state.transmitted = peerProcessed
  state.ackSent = event.told
  return [{ _tag: "Release", upTo: peerProcessed }, ...transmit, ...(state.recorded > event.told ? ackDue : none)]
}

/**
 * `step` on a state that changes in place: for a driver, which takes several
 * steps for each message.
 *
 * @since 0.1.0
 * @category step
 */
export const advance = <M extends Numbered>(state: Draft, event: Event<M>): ReadonlyArray<Effect<M>> => {
  if (state.link._tag === "Ended") return none
  switch (event._tag) {
    case "Send":
      state.sent++
      return append
    case "Appended":
      if (event.upTo <= state.appended) return none
      state.appended = event.upTo
      return state.link._tag === "Attached" ? transmit : none
    case "Withdrawn":
      return withdraw(state, event.seq)
    case "Transmitted":
      if (state.link._tag !== "Attached" || event.seq !== state.transmitted + 1) return none
      state.transmitted = event.seq
      state.highest = Math.max(state.highest, event.seq)
      state.ackSent = Math.max(state.ackSent, event.ack)
      return none
    case "Received":
      return isStale(state, event.generation) ? none : received(state, event.message, event.ack)
    case "Acknowledged":
      if (isStale(state, event.generation)) return none
      return event.ack > state.highest ? violation(neverSent(state, event.ack)) : acknowledge(state, event.ack)
    case "Processed":
      if (event.seq === state.processed + 1 && event.seq <= state.received) state.processed = event.seq
      return none
    case "Recorded":
      if (event.upTo <= state.recorded || event.upTo > state.processed) return none
      state.recorded = event.upTo
      return state.link._tag === "Attached" ? ackDue : none
    case "AckSent":
      state.ackSent = Math.max(state.ackSent, event.upTo)
      return none
    case "Attach":
      return attach(state, event)
    case "Detach":
      if (!isStale(state, event.generation)) state.link = detached
      return none
    case "End":
      state.link = { _tag: "Ended" }
      return none
  }
}

/** While something is on its way to the store it has its number there already: nothing can move up then. */
const withdraw = (state: Draft, seq: number): ReadonlyArray<Own> => {
  const { appended, highest, link, sent } = state
  if (seq <= highest || seq > sent || appended < sent) return none
  state.sent--
  state.appended--
  return link._tag === "Attached" ? [{ _tag: "Withdraw", seq }, ...transmit] : [{ _tag: "Withdraw", seq }]
}

const isSame = (a: State, b: State): boolean =>
  a.link === b.link &&
  a.generation === b.generation &&
  a.sent === b.sent &&
  a.appended === b.appended &&
  a.transmitted === b.transmitted &&
  a.highest === b.highest &&
  a.acked === b.acked &&
  a.received === b.received &&
  a.processed === b.processed &&
  a.recorded === b.recorded &&
  a.ackSent === b.ackSent &&
  a.window === b.window

/**
 * One step of a session; a state that does not change is the same value. Events
 * that name another generation than the one attached change nothing.
 *
 * @since 0.1.0
 * @category step
 */
export const step = <M extends Numbered>(state: State, event: Event<M>): Step<M> => {
  const next = { ...state }
  const effects = advance(next, event)
  return [isSame(next, state) ? state : next, effects]
}
