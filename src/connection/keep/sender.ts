/** What is sent while connections come and go: one message after the other, to the connection that is there. */
import * as Effect from "effect/Effect"
import { byteLength, type Frame } from "../../protocol/Codec.js"
import { NotKept, NotSent } from "../../protocol/ConnectionError.js"
import type { LiveConnection } from "../liveConnection.js"

export class Sender {
  /** The connection that is Ready. */
  private live: LiveConnection | undefined
  /** Why there will be no other. */
  private end: string | undefined
  /** Bytes of messages that are not written yet. */
  waiting = 0
  /** Open while a connection is Ready, or when there will be none. */
  private readonly arrival = Effect.unsafeMakeLatch()
  /** Those who send, in their order; the first has its turn. (A semaphore lets one overtake who comes just as it is free.) */
  private readonly line: Array<Effect.Latch> = []

  constructor(
    private readonly whileAway: "wait" | "fail" | "drop",
    /** Bytes that may wait while there is no connection. */
    private readonly most: number
  ) {}

  ready(live: LiveConnection): void {
    this.live = live
    this.arrival.unsafeOpen()
  }

  /** This connection has ended. */
  lost(live: LiveConnection): void {
    if (this.live !== live) return
    this.live = undefined
    this.arrival.unsafeClose()
  }

  /** There will be no other connection. */
  finish(reason: string): void {
    this.end ??= reason
    this.live = undefined
    this.arrival.unsafeOpen()
  }

  send(frame: Frame): Effect.Effect<void, NotKept | NotSent> {
    return Effect.suspend(() => {
      const size = byteLength(frame)
      // The first may be larger than all that may wait: it would never be sent.
      const isFull = this.waiting > 0 && this.waiting + size > this.most
      if (this.isAway && this.whileAway === "wait" && isFull) {
        return new NotSent({ reason: `no connection, and ${this.waiting} bytes wait for one` })
      }
      this.waiting += size
      return Effect.ensuring(
        this.inTurn(this.write(frame)),
        Effect.sync(() => {
          this.waiting -= size
        })
      )
    })
  }

  private inTurn<E>(effect: Effect.Effect<void, E>): Effect.Effect<void, E> {
    return Effect.suspend(() => {
      const turn = Effect.unsafeMakeLatch(this.line.length === 0)
      this.line.push(turn)
      return Effect.ensuring(
        Effect.zipRight(turn.await, effect),
        Effect.sync(() => {
          this.line.splice(this.line.indexOf(turn), 1)
          this.line[0]?.unsafeOpen()
        })
      )
    })
  }

  private get isAway(): boolean {
    return this.live === undefined && this.end === undefined
  }

  private write(frame: Frame): Effect.Effect<void, NotKept | NotSent> {
    return Effect.suspend(() => {
      const { end, live } = this
      if (end !== undefined) return new NotKept({ reason: end })
      if (live !== undefined) {
        if (live.isCongested) return Effect.zipRight(live.room, this.write(frame))
        live.write(frame)
        return Effect.void
      }
      switch (this.whileAway) {
        case "wait":
          return Effect.zipRight(this.arrival.await, this.write(frame))
        case "fail":
          return new NotSent({ reason: "no connection" })
        case "drop":
          return Effect.void
      }
    })
  }
}
