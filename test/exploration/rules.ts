/** What is explored, and how far: the functions under test, and the bounds of the world they are driven in. */
import { Session } from "holdfast"

/** A law of the session does not hold. */
export class Broken extends Error {}

/** The functions that are explored; a test of the explorer itself puts a wrong one in their place. */
export interface Rules {
  readonly step: typeof Session.step
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
  /** Messages in flight, and in a buffer. */
  readonly window: number
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
  /** Operations that note progress in the store and may be unanswered at a time. */
  readonly records: number
}

export const least: Bounds = {
  clientMessages: 1,
  serverMessages: 1,
  window: 2,
  cuts: 0,
  gateways: 1,
  moves: 0,
  storeFailures: 0,
  expiries: 0,
  handlerFailures: 0,
  records: 1
}
