/** The state that a hosted session starts from. */
import type { Codec } from "../../protocol/Codec.js"
import type { Invitation, RefusedMessage, StoredMessage } from "../../session/SessionStore.js"
import type * as sessionMachine from "../../session/sessionMachine.js"
import type { Principal } from "../GatewaySession.js"

/** New, or as another gateway left it in the store. */
export interface Origin<P extends Principal> {
  readonly id: string
  readonly principal: P
  readonly codec: Codec
  readonly generation: number
  readonly state: sessionMachine.State
  readonly outbound: ReadonlyArray<StoredMessage>
  readonly refused: ReadonlyArray<RefusedMessage>
  readonly invitations: ReadonlyArray<Invitation>
}
