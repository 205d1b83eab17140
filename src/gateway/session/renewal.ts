/** A session's renewals of its authentication, through its connections. */

import type { UpgradeRequest } from "../../connection/Listener.js"
import type { LiveConnection } from "../../connection/liveConnection.js"
import { CloseCode } from "../../protocol/CloseCode.js"
import type { Principal } from "../GatewaySession.js"
import { type Authenticated, type Services, TokenExpiry, unasked } from "./tokenExpiry.js"

export class Renewal<P extends Principal, R> {
  /** While a connection acts for a principal that expires. */
  private current: TokenExpiry<P, R> | undefined
  /** A connection is gone on which the client was asked for a token: the answer may come on the next one. */
  private isOwed = false

  constructor(
    private readonly services: Services<P, R>,
    private readonly session: Authenticated<P>
  ) {}

  /** This connection acts for the session now; `request` is there if the principal expires. */
  start(live: LiveConnection, request: UpgradeRequest | undefined): void {
    if (request === undefined) return
    this.current = new TokenExpiry(this.services, this.session, live, request)
    this.current.start()
  }

  /** No connection acts for the session. */
  stop(): void {
    if (this.current?.stop() === true) this.isOwed = true
    this.current = undefined
  }

  /** The client sent a token. */
  answered(token: string, live: LiveConnection): void {
    const flaw = this.current === undefined ? unasked : this.current.answered(token)
    if (flaw === undefined) return
    if (this.isOwed) this.isOwed = false
    else live.violate(CloseCode.ProtocolViolation, flaw)
  }
}
