/** The client's answer to `authenticate`: a fresh token, on the connection that asked, for as long as it lives. */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { LiveConnection } from "../connection/liveConnection.js"
import type { TokenUnavailable } from "../protocol/ConnectionError.js"

/** 1 s, doubling, at most 30 s. */
const retry = Schedule.union(Schedule.exponential("1 second"), Schedule.spaced("30 seconds"))

export class TokenRefresh {
  /** The connection whose question is being answered. */
  private answering: LiveConnection | undefined

  constructor(
    private readonly write: (live: LiveConnection, token: string) => void,
    private readonly token: Effect.Effect<string, TokenUnavailable>,
    /** Hears of each failure. */
    private readonly failed: (error: TokenUnavailable) => void
  ) {}

  /** The server asked on this connection. */
  asked(live: LiveConnection): void {
    if (this.answering === live) return
    this.answering = live
    live.supervise(
      this.token.pipe(
        Effect.tapError((error) => Effect.sync(() => this.failed(error))),
        Effect.retry(retry),
        Effect.flatMap((token) => Effect.sync(() => this.answer(live, token))),
        Effect.onInterrupt(() => Effect.sync(() => this.done(live))),
        // The schedule never ends.
        Effect.orDie
      )
    )
  }

  private answer(live: LiveConnection, token: string): void {
    // First, because the server may ask again as soon as it has this.
    this.done(live)
    this.write(live, token)
  }

  private done(live: LiveConnection): void {
    if (this.answering === live) this.answering = undefined
  }
}
