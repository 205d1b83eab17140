/** The quota of sessions of a gateway, in all and of one principal; those that are being created count. */

import type { LiveConnection } from "../../connection/liveConnection.js"
import type { Resolved } from "../../connection/Options.js"
import { CloseCode } from "../../protocol/CloseCode.js"
import type { Codec } from "../../protocol/Codec.js"
import { KeyedCounter } from "./keyedCounter.js"

export type Refusal =
  | { readonly _tag: "GatewayFull"; readonly reason: string }
  | { readonly _tag: "PrincipalFull"; readonly reason: string }

/** Milliseconds. */
const retryAfter = 5000

export class SessionQuota {
  private total = 0
  private readonly principals = new KeyedCounter()

  constructor(private readonly options: Pick<Resolved, "maxSessions" | "maxSessionsPerPrincipal">) {}

  /** Counts a session until `leave`. One that is resumed is counted whatever its principal has. */
  enter(principal: string): void {
    this.total++
    this.principals.add(principal)
  }

  leave(principal: string): void {
    this.total--
    this.principals.remove(principal)
  }

  /** Why this gateway can host no session more. */
  get full(): Refusal | undefined {
    const { maxSessions } = this.options
    return this.total < maxSessions
      ? undefined
      : { _tag: "GatewayFull", reason: `this gateway holds ${maxSessions} sessions already` }
  }

  /** Why there can be no new session of this principal. */
  fullFor(principal: string): Refusal | undefined {
    const { maxSessionsPerPrincipal: limit } = this.options
    if (this.full !== undefined || this.principals.of(principal) < limit) return this.full
    return { _tag: "PrincipalFull", reason: `there are ${limit} sessions of this principal already` }
  }
}

/** Tells the client, and closes. */
export const refuse = (live: LiveConnection, codec: Codec, { _tag, reason }: Refusal): void => {
  if (_tag === "GatewayFull") return live.close(CloseCode.TryAgainLater, reason)
  live.write(codec.encode({ type: "goaway", retryAfter, reason }))
  live.close(CloseCode.TooManyRequests, reason)
}
