/** Sessions that are wrong, each in one way, for the explorer to find out. */
import * as Session from "../../src/session/sessionMachine.js"
import { type Bounds, least, type Rules, rules } from "./rules.js"

const withStep = (
  change: (state: Session.State, event: Session.Event, right: Session.Step) => Session.Step
): Rules => ({
  ...rules,
  step: (state, event) => change(state, event, Session.step(state, event))
})

const without = (effects: ReadonlyArray<Session.Effect>, tag: Session.Effect["_tag"]) =>
  effects.filter((effect) => effect._tag !== tag)

const isAttach = (state: Session.State, event: Session.Event, [next]: Session.Step): boolean =>
  event._tag === "Attach" && next !== state

/** Small worlds, one of which is enough for each of them. */
export const worlds: ReadonlyArray<Bounds> = [
  { ...least, cuts: 1 },
  { ...least, clientMessages: 2, serverMessages: 2, window: 1 },
  { ...least, cuts: 1, gateways: 2 as const, moves: 1 },
  { ...least, cuts: 2 },
  { ...least, cuts: 1, withdrawals: 1 },
  { ...least, cuts: 1, withdrawals: 1, parts: true }
].map((bounds) => ({
  ...bounds,
  isReduced: false,
  prompt: { writes: !bounds.parts, client: bounds.parts, store: false }
}))

/** By what is wrong with the session, to be read after "finds out a session that". */
export const breaks: Readonly<Record<string, Rules>> = {
  "delivers what was here before": withStep((_state, event, right) => {
    const isDuplicate = event._tag === "Received" && right[1].some((effect) => effect._tag === "Suppress")
    return isDuplicate ? [right[0], [{ _tag: "Deliver", message: event.message }]] : right
  }),
  "acknowledges on receipt": withStep((_state, event, [next, effects]) => {
    const isNew = event._tag === "Received" && effects.some((effect) => effect._tag === "Deliver")
    return isNew
      ? [{ ...next, processed: event.message.seq, recorded: event.message.seq }, [...effects, { _tag: "AckDue" }]]
      : [next, effects]
  }),
  "acknowledges before the store knows": withStep((_state, event, [next, effects]) =>
    event._tag === "Processed" && next.link._tag === "Attached"
      ? [{ ...next, recorded: next.processed }, [...effects, { _tag: "AckDue" }]]
      : [next, effects]
  ),
  "transmits before the store knows": withStep((_state, event, [next, effects]) =>
    event._tag === "Send" && next.link._tag === "Attached"
      ? [{ ...next, appended: next.sent }, [...effects, { _tag: "Transmit" }]]
      : [next, effects]
  ),
  "goes on after an attach where the last connection ended": withStep((state, event, right) =>
    isAttach(state, event, right)
      ? [{ ...right[0], transmitted: Math.max(state.transmitted, right[0].transmitted) }, right[1]]
      : right
  ),
  "forgets at an attach what earlier connections carried": withStep((state, event, right) =>
    isAttach(state, event, right) ? [{ ...right[0], highest: right[0].transmitted }, right[1]] : right
  ),
  "does not transmit after an attach": withStep((state, event, right) =>
    isAttach(state, event, right) ? [right[0], without(right[1], "Transmit")] : right
  ),
  // Either makes up for the want of the other.
  "neither owes after an attach nor acknowledges a duplicate again": withStep((state, event, [next, effects]) =>
    isAttach(state, event, [next, effects]) || effects.some((effect) => effect._tag === "Suppress")
      ? [{ ...next, ackSent: event._tag === "Attach" ? next.ackSent : state.ackSent }, without(effects, "AckDue")]
      : [next, effects]
  ),
  "does not go on when the window opens": withStep((_state, event, right) =>
    event._tag === "Acknowledged" || event._tag === "Received" ? [right[0], without(right[1], "Transmit")] : right
  ),
  "releases what it has transmitted": withStep((_state, event, [next, effects]) =>
    event._tag === "Transmitted" ? [next, [...effects, { _tag: "Release", upTo: event.seq }]] : [next, effects]
  ),
  "listens to old connections": {
    ...rules,
    step: (state, event) =>
      "generation" in event && event._tag !== "Attach" && state.link._tag === "Attached"
        ? Session.step(state, { ...event, generation: state.link.generation })
        : Session.step(state, event)
  },
  "releases one too many": withStep((_state, _event, [next, effects]) => [
    next,
    effects.map((effect) => (effect._tag === "Release" ? { ...effect, upTo: effect.upTo + 1 } : effect))
  ]),
  "is restored without what has left": {
    ...rules,
    restored: (window, stored) => ({ ...Session.restored(window, stored), highest: stored.acked })
  },
  "is restored as though all had been transmitted": {
    ...rules,
    restored: (window, stored) => ({
      ...Session.restored(window, stored),
      acked: stored.sent,
      transmitted: stored.sent
    })
  },
  "is restored as though nothing had been processed": {
    ...rules,
    restored: (window, stored) => Session.restored(window, { ...stored, processed: 0 })
  },
  "takes back what only an earlier connection carried": withStep((state, event, right) => {
    if (event._tag !== "Withdrawn" || state.link._tag !== "Detached" || right[1].length > 0) return right
    return [{ ...state, sent: state.sent - 1, appended: state.appended - 1 }, [{ _tag: "Withdraw", seq: event.seq }]]
  }),
  "takes back what has left in part": withStep((state, event, right) =>
    event._tag === "Withdrawn" ? Session.step({ ...state, begun: state.highest }, event) : right
  ),
  "goes on behind a part that did not arrive": withStep((state, event, right) =>
    isAttach(state, event, right) && right[0].transmitted === state.transmitted
      ? [{ ...right[0], partOut: Math.max(state.partOut, right[0].partOut) }, right[1]]
      : right
  ),
  "takes a part for the message": withStep((_state, event, [next, effects]) => [
    next,
    effects.map((effect) =>
      event._tag === "PartReceived" && effect._tag === "Keep" ? { ...effect, _tag: "Complete" } : effect
    )
  ]),
  "sends again what was received": withStep((state, event, right) =>
    event._tag === "Attach" && event.peerReceived !== undefined && isAttach(state, event, right)
      ? [{ ...right[0], transmitted: event.peerProcessed, partOut: event.peerReceived.bytes }, right[1]]
      : right
  ),
  "counts what it has taken back": withStep((state, event, right) =>
    event._tag === "Withdrawn" ? [state, right[1]] : right
  ),
  "has a store that fences nobody off": { ...rules, isFencing: false },
  "has a store that heeds old hellos": { ...rules, isOrderingHellos: false }
}
