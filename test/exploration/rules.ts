/** What is explored, and how far: the functions under test, and the bounds of the world they are driven in. */
import * as Session from "../../src/session/sessionMachine.js"

/** A law of the session does not hold. */
export class Broken extends Error {}

/** The functions that are explored; a test of the explorer itself puts a wrong one in their place. */
export interface Rules {
  readonly step: (state: Session.State, event: Session.Event) => Session.Step
  readonly restored: typeof Session.restored
  /** Whether the store fences off operations of an older generation. */
  readonly isFencing: boolean
  /** Whether the store turns away a hello that is older than one it has heard. */
  readonly isOrderingHellos: boolean
}

export const rules: Rules = {
  step: Session.step,
  restored: Session.restored,
  isFencing: true,
  isOrderingHellos: true
}

/** How much of each may happen. */
export interface Bounds {
  /** Messages that the client sends, and the server. */
  readonly clientMessages: number
  readonly serverMessages: number
  /** Messages that may be in flight. */
  readonly window: number
  /** Messages that a buffer holds. */
  readonly buffer: number
  /** Connections that are lost; each end notices in its own time. */
  readonly cuts: number
  /** Gateways that the client may dial. */
  readonly gateways: 1 | 2
  /** Dials that reach another gateway than the last one did. */
  readonly moves: number
  /** Operations that the store carries out without ever answering. */
  readonly storeFailures: number
  /** Sessions that are not resumed in time. */
  readonly expiries: number
  /** Handlers of the server that fail. */
  readonly handlerFailures: number
  /** Messages that the client gives up before they were ever written; those that were are given up in vain, at any time. */
  readonly withdrawals: number
  /** Whether both ends know parts: each message leaves in two halves, and what was received is not sent again. */
  readonly parts: boolean
  /** Operations that note progress in the store and may be unanswered at a time. */
  readonly records: number
  /** Whether worlds that differ only in what can make no difference are explored once: `normal.ts` and `superseded.ts`. */
  readonly isReduced: boolean
  /**
   * What does not take its time: both ends write what is due at once, as the
   * driver does whose connection is never congested and whose window is small;
   * the client handles what it reads at once; the store answers what a gateway
   * tells it at once.
   */
  readonly prompt: {
    readonly writes: boolean
    readonly client: boolean
    readonly store: boolean
  }
}

export const least: Bounds = {
  clientMessages: 1,
  serverMessages: 1,
  window: 2,
  buffer: 2,
  cuts: 0,
  gateways: 1,
  moves: 0,
  storeFailures: 0,
  expiries: 0,
  handlerFailures: 0,
  withdrawals: 0,
  parts: false,
  records: 1,
  isReduced: true,
  prompt: { writes: false, client: false, store: false }
}
