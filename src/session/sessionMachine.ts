/**
 * The session protocol as a pure function: `step(state, event)` gives the next
 * state and what is to be done about it. No Effect, no clock, no buffers in
 * here, so that it can be explored exhaustively; `session/sessionDriver.ts`
 * drives it, and both ends use the same one.
 *
 * Messages are named by their sequence number, from 1 in each direction. The
 * messages themselves stay with the driver: those in `(acked, sent]` in the
 * replay buffer, those in `(processed, received]` in the inbox. One that comes
 * in passes through, from the event to the effect that says what becomes of it. A large one comes and goes in parts, of which
 * this counts the bytes.
 *
 * @since 0.1.0
 */
import type { Draft, Effect, Event, Link, Numbered, Part, State, Step } from "./sessionModel.js"

export * from "./sessionModel.js"

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
  begun: 0,
  partOut: 0,
  acked: 0,
  received: 0,
  partIn: 0,
  partSize: 0,
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
  begun: stored.sent,
  acked: stored.acked,
  received: stored.processed,
  processed: stored.processed,
  recorded: stored.processed,
  ackSent: stored.processed
})

/** Those that are about no message of the peer. */
type Own = Effect<never, never>

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
  if (ack > state.transmitted) {
    state.transmitted = ack
    state.partOut = 0
  }
  return ack < state.appended ? [{ _tag: "Release", upTo: ack }, ...transmit] : [{ _tag: "Release", upTo: ack }]
}

const neverSent = (state: State, ack: number): string => `ack ${ack}, but the last message sent was ${state.highest}`

/** The flaw of a message that comes next, or came before. */
const flawOf = (state: Draft, seq: number, ack: number): string | undefined => {
  if (ack > state.highest) return neverSent(state, ack)
  if (seq > state.received + 1) return `gap: message ${seq} came, ${state.received + 1} was expected`
  return seq > state.received && seq > state.processed + state.window
    ? `more than ${state.window} messages sent without waiting for acknowledgement`
    : undefined
}

/** A message that was here before: if the peer has not heard that it was processed, that is said again. */
const repeated = (state: Draft, message: Numbered, ack: number): ReadonlyArray<Own> => {
  const effects = acknowledge(state, ack)
  if (message.seq > state.recorded) return [...effects, { _tag: "Suppress", message }]
  state.ackSent = Math.min(state.ackSent, message.seq - 1)
  return [...effects, { _tag: "Suppress", message }, ...ackDue]
}

const received = <M extends Numbered>(state: Draft, message: M, ack: number): ReadonlyArray<Effect<M, never>> => {
  const { seq } = message
  const flaw = flawOf(state, seq, ack)
  if (flaw !== undefined) return violation(flaw)
  if (seq <= state.received) return repeated(state, message, ack)
  const effects = acknowledge(state, ack)
  state.received = seq
  state.partIn = 0
  state.partSize = 0
  return effects === none ? [{ _tag: "Deliver", message }] : [...effects, { _tag: "Deliver", message }]
}

/** The flaw of a part of the message that comes next. */
const partFlawOf = ({ partIn, partSize }: Draft, { at, of, seq, until }: Part): string | undefined => {
  if (until > of) return `a part of message ${seq} ends at ${until}, and the message has ${of} bytes`
  // At the beginning, it begins anew.
  if (at === 0) return undefined
  if (at !== partIn) return `a part of message ${seq} begins at ${at}, ${partIn} was expected`
  return of === partSize
    ? undefined
    : `a part of message ${seq} is of ${of} bytes, and the first one was of ${partSize}`
}

const partReceived = <P extends Part>(state: Draft, part: P, ack: number): ReadonlyArray<Effect<never, P>> => {
  const { of, seq, until } = part
  const flaw = flawOf(state, seq, ack) ?? (seq <= state.received ? undefined : partFlawOf(state, part))
  if (flaw !== undefined) return violation(flaw)
  if (seq <= state.received) return until === of ? repeated(state, part, ack) : acknowledge(state, ack)
  const effects = acknowledge(state, ack)
  state.partIn = until
  state.partSize = of
  return [...effects, { _tag: until === of ? "Complete" : "Keep", part }]
}

const attach = (state: Draft, event: Extract<Event, { _tag: "Attach" }>): ReadonlyArray<Own> => {
  if (event.generation <= state.generation) return none
  const { generation, peerOldest, peerProcessed } = event
  const { bytes, seq } = event.peerReceived ?? { seq: peerProcessed, bytes: 0 }
  // Complete or refused: what the peer still needs must be here, and the other way round.
  const isOurs = peerProcessed >= state.acked && peerProcessed <= seq && seq <= state.highest
  if (!isOurs || (bytes > 0 && seq >= state.begun) || peerOldest > state.received + 1) {
    return [{ _tag: "Refuse", reason: "incomplete" }]
  }
  state.link = { _tag: "Attached", generation }
  state.generation = generation
  state.acked = peerProcessed
  state.transmitted = seq
  state.partOut = bytes
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
export const advance = <M extends Numbered, P extends Part>(
  state: Draft,
  event: Event<M, P>
): ReadonlyArray<Effect<M, P>> => {
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
      state.partOut = 0
      state.highest = Math.max(state.highest, event.seq)
      state.begun = Math.max(state.begun, event.seq)
      state.ackSent = Math.max(state.ackSent, event.ack)
      return none
    case "PartTransmitted":
      if (state.link._tag !== "Attached" || event.seq !== state.transmitted + 1) return none
      state.partOut = event.until
      state.begun = Math.max(state.begun, event.seq)
      state.ackSent = Math.max(state.ackSent, event.ack)
      return none
    case "PartReceived":
      return isStale(state, event.generation) ? none : partReceived(state, event.part, event.ack)
    case "PartDropped":
      state.partIn = 0
      state.partSize = 0
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
  const { appended, begun, link, sent } = state
  if (seq <= begun || seq > sent || appended < sent) return none
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
  a.begun === b.begun &&
  a.partOut === b.partOut &&
  a.acked === b.acked &&
  a.received === b.received &&
  a.partIn === b.partIn &&
  a.partSize === b.partSize &&
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
export const step = <M extends Numbered, P extends Part>(state: State, event: Event<M, P>): Step<M, P> => {
  const next = { ...state }
  const effects = advance(next, event)
  return [isSame(next, state) ? state : next, effects]
}
