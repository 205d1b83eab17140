/**
 * The life of what is kept connected, as a value: the phase that it is in, the one place where a phase follows another, and what
 * follows the end of an attempt.
 */

import { type Verdict, verdictOf } from "../../protocol/CloseCode.js"
import type { AttemptError } from "../../protocol/ConnectionError.js"
import type * as Protocol from "../../protocol/Protocol.js"
import type { LiveConnection } from "../liveConnection.js"
import type { EndReason, Ready, Status, Waiting } from "./status.js"
import type { Subscribable } from "./subscribable.js"

/** Milliseconds that a connection is kept alive with. */
export interface KeepAlive {
  readonly heartbeatInterval: number
  readonly readDeadline: number
  readonly suspectAfter: number
}

type Stop = Extract<Verdict, { _tag: "Stop" }>

/**
 * - `Dialing`: there is no connection yet.
 * - `Opening`: this one is being made ready: a client says hello, and awaits the welcome.
 * - `Ready`: this one can be used. It stays so until what follows its end is decided.
 * - `Waiting`: the next attempt has its delay.
 * - `Ended`: for good.
 */
export type Phase<R extends Ready> =
  | { readonly _tag: "Dialing"; readonly attempt: number }
  | {
      readonly _tag: "Opening"
      readonly attempt: number
      readonly live: LiveConnection
      readonly goaway: Protocol.Goaway | undefined
    }
  | {
      readonly _tag: "Ready"
      readonly attempt: number
      readonly live: LiveConnection
      readonly goaway: Protocol.Goaway | undefined
      readonly status: R
      /** On the monotonic clock. */
      readonly readyAt: number
      /** Milliseconds over which all clients of the server come back that lose it together. */
      readonly spread: number
      readonly keepAlive: KeepAlive
    }
  | { readonly _tag: "Waiting"; readonly attempt: number }
  | { readonly _tag: "Ended"; readonly reason: EndReason }

/** The leave that is taken when this end is asked to end. */
export interface Farewell {
  readonly reason: EndReason
  readonly hasSaidBye: boolean
}

/** The outcome of earlier attempts. */
export interface Experience {
  /** A connection was Ready: the URL is good. */
  readonly wasReady: boolean
  /** The server has refused the credentials of the last attempt that it looked at, and no connection was Ready since. */
  readonly isRefused: boolean
}

/** The next step after the end of an attempt. */
export type Decision =
  | { readonly _tag: "End"; readonly reason: EndReason }
  | {
      readonly _tag: "Retry"
      readonly attempt: number
      /** The connection was Ready for so long that the delays begin again. */
      readonly isStable: boolean
      /** The server is asked once more, with fresh credentials. */
      readonly isRefused: boolean
      readonly goaway: Protocol.Goaway | undefined
      /** Milliseconds, some part of which is waited besides: others may have lost the server, too. */
      readonly spread: number
      /** Where the policy makes no other attempt. */
      readonly otherwise: EndReason
    }

const stopped = (verdict: Stop, end: AttemptError): EndReason =>
  verdict.why === "Ended" ? { _tag: "Closed" } : { _tag: "Stopped", verdict, end }

export interface Rules {
  /** Milliseconds after which a connection that is Ready counts as stable. */
  readonly stableAfter: number
  /** A server that refused the credentials may be given others. */
  readonly canBeFresh: boolean
  /** The application's own verdict on an end, where it has one. */
  readonly verdict?: ((end: AttemptError, proposed: Verdict) => Verdict) | undefined
}

export class Lifecycle<R extends Ready> {
  phase: Phase<R> = { _tag: "Dialing", attempt: 1 }
  private leaving: Farewell | undefined
  private experience: Experience = { wasReady: false, isRefused: false }

  constructor(
    private readonly status: Subscribable<Status<R>>,
    private readonly rules: Rules
  ) {}

  dialing(attempt: number): void {
    this.phase = { _tag: "Dialing", attempt }
    this.status.set({ _tag: "Connecting", attempt })
  }

  opening(live: LiveConnection): void {
    if (this.phase._tag === "Dialing")
      this.phase = { _tag: "Opening", attempt: this.phase.attempt, live, goaway: undefined }
  }

  /** The server is about to close. */
  goingAway(goaway: Protocol.Goaway): void {
    if (this.phase._tag === "Opening" || this.phase._tag === "Ready") this.phase = { ...this.phase, goaway }
  }

  /** It can be used from this instant of the monotonic clock on. */
  ready(status: R, readyAt: number, keepAlive: KeepAlive, spread: number): void {
    if (this.phase._tag !== "Opening") return
    this.phase = { ...this.phase, _tag: "Ready", status, readyAt, keepAlive, spread }
    this.experience = { wasReady: true, isRefused: false }
    this.status.set(status)
  }

  /** The connection that is Ready leaves a heartbeat unanswered, or does not any more. */
  suspected(live: LiveConnection, suspect: boolean): void {
    if (this.phase._tag !== "Ready" || this.phase.live !== live) return
    const status = { ...this.phase.status, suspect }
    this.phase = { ...this.phase, status }
    this.status.set(status)
  }

  waiting(status: Waiting): void {
    this.phase = { _tag: "Waiting", attempt: status.attempt }
    this.status.set(status)
  }

  /** This end stops. */
  get farewell(): Farewell | undefined {
    return this.leaving
  }

  stopping(reason: EndReason): void {
    this.leaving = { reason, hasSaidBye: false }
  }

  saidBye(): void {
    if (this.leaving !== undefined) this.leaving = { ...this.leaving, hasSaidBye: true }
  }

  ended(reason: EndReason): void {
    this.phase = { _tag: "Ended", reason }
    this.status.set({ _tag: "Ended", reason })
  }

  /** The attempt has ended. */
  over(end: AttemptError, now: number): Decision {
    const decision = this.decide(end, now)
    if (decision._tag === "Retry" && decision.isRefused) this.experience = { ...this.experience, isRefused: true }
    return decision
  }

  private decide(end: AttemptError, now: number): Decision {
    const { experience, farewell, phase, rules } = this
    if (phase._tag === "Ended") return { _tag: "End", reason: phase.reason }
    const proposed = verdictOf(end, { byeSent: farewell?.hasSaidBye, wasReady: experience.wasReady })
    // Whoever is leaving has its own verdict already.
    const verdict = farewell === undefined ? (rules.verdict?.(end, proposed) ?? proposed) : proposed
    const isFinal = verdict._tag === "Stop"
    const otherwise: EndReason = isFinal ? stopped(verdict, end) : { _tag: "GaveUp", end }
    const mayBeFresh = isFinal && verdict.why === "NotAuthenticated" && rules.canBeFresh && !experience.isRefused
    if (isFinal && !mayBeFresh) return { _tag: "End", reason: otherwise }
    const { goaway } = "goaway" in phase ? phase : { goaway: undefined }
    const isStable = phase._tag === "Ready" && now - phase.readyAt >= rules.stableAfter
    return {
      _tag: "Retry",
      attempt: isStable ? 1 : goaway === undefined ? phase.attempt + 1 : phase.attempt,
      isStable,
      isRefused: isFinal,
      goaway,
      // A peer that was silent was so for this client alone, as far as anybody knows.
      spread: phase._tag === "Ready" && end._tag === "ConnectionLost" ? phase.spread : 0,
      otherwise
    }
  }
}
