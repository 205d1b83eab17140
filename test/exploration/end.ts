/** One end of the session: its real `Session.State`, and what the driver of that state keeps beside it. */
import type * as Session from "../../src/session/sessionMachine.js"
import { type Bounds, Broken, type Rules } from "./rules.js"
import { data, type Message, part, type Reception } from "./wire.js"

export interface End {
  readonly state: Session.State
  /** Delivered, in the order of delivery, and not yet handled. */
  readonly inbox: ReadonlyArray<number>
  /** The last message that the application has handled. */
  readonly handled: number
  /** The replay buffer holds `(released, sent]`. */
  readonly released: number
  /** The last message ever written to a connection, as far as this end is to know: not read by anything but the laws. */
  readonly written: number
  /** `Transmit` was asked for, and something can be written. */
  readonly transmitDue: boolean
  /** `AckDue` was asked for, and there is something to acknowledge. */
  readonly ackDue: boolean
}

export const fromState = (state: Session.State): End => ({
  state,
  inbox: [],
  handled: state.processed,
  released: state.acked,
  written: state.begun,
  transmitDue: false,
  ackDue: false
})

const isAttached = (state: Session.State): boolean => state.link._tag === "Attached"

/** As `SessionDriver.transmit` and `fitsPeer` see it. */
const canTransmit = ({ released, state }: End): boolean => {
  const next = state.transmitted + 1
  const inFlight = state.transmitted - state.acked
  return isAttached(state) && next <= state.appended && next > released && (inFlight === 0 || inFlight < state.window)
}

const canAck = ({ state }: End): boolean => isAttached(state) && state.ackSent < state.recorded

const neverLess = [
  "generation",
  "sent",
  "appended",
  "highest",
  "begun",
  "acked",
  "received",
  "processed",
  "recorded"
] as const

/** One step, and what the driver does about its effects that concerns this end alone; `effects` is for the rest. */
export const apply = (
  rules: Rules,
  end: End,
  event: Session.Event
): { readonly end: End; readonly effects: ReadonlyArray<Session.Effect> } => {
  const [state, effects] = rules.step(end.state, event)
  const taken = effects.some(({ _tag }) => _tag === "Withdraw") ? 1 : 0
  for (const field of neverLess) {
    const least = field === "sent" || field === "appended" ? end.state[field] - taken : end.state[field]
    if (state[field] < least) throw new Broken(`${field} went back from ${end.state[field]} to ${state[field]}`)
  }
  let { ackDue, inbox, released, transmitDue } = end
  for (const effect of effects) {
    switch (effect._tag) {
      case "Transmit":
        transmitDue = true
        break
      case "Release":
        released = Math.max(released, effect.upTo)
        break
      case "Withdraw":
        if (effect.seq <= end.written) throw new Broken(`message ${effect.seq} was written, and is taken back`)
        if (state.sent !== end.state.sent - 1) throw new Broken(`message ${effect.seq} is taken back, and counts`)
        break
      case "Deliver":
        inbox = [...inbox, effect.message.seq]
        break
      case "AckDue":
        ackDue = true
        break
      case "Violation":
        throw new Broken(`a correct peer is accused: ${effect.reason}`)
      case "Append":
      case "Complete":
      case "Keep":
      case "Refuse":
      case "Suppress":
        break
    }
  }
  const next: End = { state, inbox, handled: end.handled, released, written: end.written, transmitDue, ackDue }
  // A loop that finds nothing to do ends, and a timer that finds nothing to do is gone.
  const settled =
    (transmitDue && !canTransmit(next)) || (ackDue && !canAck(next))
      ? { ...next, transmitDue: transmitDue && canTransmit(next), ackDue: ackDue && canAck(next) }
      : next
  return { end: settled, effects }
}

/** For events after which there is nothing to do for anybody else. */
export const after = (rules: Rules, end: End, event: Session.Event): End => apply(rules, end, event).end

export const hasRoom = ({ released, state }: End, { buffer }: Bounds): boolean =>
  state.sent === released || state.sent - released < buffer

/** Writes the next message, or the next half of it. */
export const transmit = (rules: Rules, end: End, { parts }: Bounds): readonly [End, number] => {
  const { partOut, recorded: ack, transmitted } = end.state
  const seq = transmitted + 1
  const isFirst = parts && partOut === 0
  const next = after(
    rules,
    end,
    isFirst ? { _tag: "PartTransmitted", seq, until: 1, ack } : { _tag: "Transmitted", seq, ack }
  )
  const code = parts ? part(seq, isFirst ? 0 : 1, ack) : data(seq, ack)
  return [seq > next.written ? { ...next, written: seq } : next, code]
}

/** Takes what the peer has written. */
export const receive = (
  rules: Rules,
  end: End,
  generation: number,
  message: Extract<Message, { readonly ack: number }>
): End => {
  const { ack } = message
  switch (message._tag) {
    case "Ack":
      return after(rules, end, { _tag: "Acknowledged", generation, ack })
    case "Data":
      return after(rules, end, { _tag: "Received", generation, message: { seq: message.seq }, ack })
    case "Part": {
      const { half: at, seq } = message
      const part = { seq, at, until: at + 1, of: 2 }
      const { effects, end: next } = apply(rules, end, { _tag: "PartReceived", generation, part, ack })
      const isWhole = effects.some(({ _tag }) => _tag === "Complete")
      if (isWhole && at === 0) throw new Broken(`message ${seq} is whole with its first half`)
      if (effects.some(({ _tag }) => _tag === "Suppress"))
        throw new Broken(`message ${seq} was received, and is sent again`)
      return isWhole ? after(rules, next, { _tag: "Received", generation, message: { seq }, ack }) : next
    }
  }
}

/** What an end says on a resume that it has; without parts, what it has processed. */
export const receptionOf = ({ state }: End, { parts }: Bounds): Reception =>
  parts ? { seq: state.received, bytes: state.partIn } : { seq: state.recorded, bytes: 0 }

/** Writes an acknowledgement by itself. */
export const acknowledge = (rules: Rules, end: End): readonly [End, number] => {
  const upTo = end.state.recorded
  return [after(rules, end, { _tag: "AckSent", upTo }), upTo]
}

/** The application handles the next message, and succeeds. */
export const handle = (rules: Rules, end: End): End => {
  const seq = end.inbox[0] ?? 0
  if (seq !== end.handled + 1) throw new Broken(`message ${seq} is handled after message ${end.handled}`)
  return after(rules, { ...end, inbox: end.inbox.slice(1), handled: seq }, { _tag: "Processed", seq })
}
