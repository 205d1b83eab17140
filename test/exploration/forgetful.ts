import type * as Session from "../../src/session/sessionMachine.js"

/** Without a connection, how far the last one came is forgotten: the next begins at what the peer has received. */
export const forgetful = (state: Session.State): Session.State =>
  state.link._tag === "Attached" ||
  (state.transmitted === state.acked && state.partOut === 0 && state.ackSent === state.recorded)
    ? state
    : { ...state, transmitted: state.acked, partOut: 0, ackSent: state.recorded }
