/**
 * Reduced explorations put aside what can make no difference. That it makes
 * none is checked here, at each step: a step that looks at it is broken.
 */
import type * as Session from "../../src/session/sessionMachine.js"
import { forgetful } from "./forgetful.js"
import { Broken, type Rules } from "./rules.js"

const counters = [
  "generation",
  "sent",
  "appended",
  "transmitted",
  "highest",
  "begun",
  "partOut",
  "acked",
  "received",
  "partIn",
  "partSize",
  "processed",
  "recorded",
  "ackSent",
  "window"
] as const

const same = ([state, effects]: Session.Step, [other, otherEffects]: Session.Step): boolean =>
  state.link._tag === other.link._tag &&
  counters.every((counter) => state[counter] === other[counter]) &&
  (effects === otherEffects || JSON.stringify(effects) === JSON.stringify(otherEffects))

const forgotten = ([state, effects]: Session.Step): Session.Step => [forgetful(state), effects]

/** What an older acknowledgement than this could say the peer knows already. */
const withOldNews = (state: Session.State, event: Session.Event): Session.Event | undefined => {
  const isOld =
    (event._tag === "Received" || event._tag === "PartReceived" || event._tag === "Acknowledged") &&
    event.ack <= state.acked
  return isOld ? { ...event, ack: state.acked } : undefined
}

export const independent = (step: Rules["step"]): Rules["step"] => {
  return (state, event) => {
    const result = step(state, event)
    if (state.link._tag === "Detached") {
      const other = step({ ...state, transmitted: state.highest, partOut: 0, ackSent: 0 }, event)
      if (!same(forgotten(result), forgotten(other))) {
        throw new Broken(`${event._tag}: what the last connection carried matters to a session without one`)
      }
    }
    const old = withOldNews(state, event)
    if (old !== undefined && !same(result, step(state, old))) {
      throw new Broken(`${event._tag}: an acknowledgement of what is known makes a difference`)
    }
    return result
  }
}
