/** What the page knows of its connection: the last minute and a half, and the figures of now. */
import type { ClientStatus } from "holdfast"
import * as captions from "./captions.js"
import type { Fate } from "./chatLog.js"

export interface Span {
  readonly from: number
  /** Undefined: it lasts. */
  to: number | undefined
  readonly status: ClientStatus.Status
}

export interface Beat {
  readonly id: number
  readonly at: number
  roundTrip: number | undefined
  /** The connection ended before an answer came. */
  isLost: boolean
}

export type MarkKind = "Sent" | "Acknowledged" | "Replayed" | "Suppressed" | "Line"

export interface Mark {
  readonly at: number
  readonly kind: MarkKind
  readonly count: number
}

/** A beginning of the session's, or what one of the buttons has done. */
export type Flag =
  | { readonly _tag: "Start"; readonly at: number; readonly start: ClientStatus.Start }
  | { readonly _tag: "Fault"; readonly at: number; readonly label: string }

export interface Caption {
  readonly at: number
  readonly text: string
  readonly tone: captions.Tone
}

/** The large message that was sent last. */
export interface Upload {
  /** Its bytes that the server has. */
  readonly received: number
  /** Its bytes in all; 0 until it leaves. */
  readonly size: number
  readonly fate: Fate
}

/** Milliseconds that are kept, and drawn at most. */
const kept = 90_000
/** Items of each kind, for the case that a great deal happens in them. */
const most = 1000

type Ready = Extract<ClientStatus.Status, { _tag: "Ready" }>

const counted = [
  ["sent", "Sent"],
  ["acknowledged", "Acknowledged"],
  ["replayed", "Replayed"],
  ["suppressed", "Suppressed"]
] as const

export class Model {
  readonly started = Date.now()
  spans: Array<Span> = []
  beats: Array<Beat> = []
  /** When something came, at most once in 50 ms. */
  heards: Array<number> = []
  marks: Array<Mark> = []
  flags: Array<Flag> = []
  captions: Array<Caption> = []
  status: ClientStatus.Status = { _tag: "Connecting", attempt: 1 }
  /** The last that was Ready: whose session it is while the connection is away. */
  session: Ready | undefined
  stats: ClientStatus.ClientStats | undefined
  /** The last that a connection was kept alive with, in milliseconds. */
  timing: { readonly heartbeatInterval: number; readonly readDeadline: number } | undefined
  roundTrip: number | undefined

  private sent: Upload | undefined
  private listeners: Array<() => void> = []
  private readyListeners: Array<() => void> = []
  /** A resume is told of when its replay has left. */
  private resumed: { readonly at: number; readonly away: number | undefined; readonly replayed: number } | undefined
  private wentAway: number | undefined

  onChange(listener: () => void): void {
    this.listeners.push(listener)
  }

  /** A connection has come to act for the session. */
  onReady(listener: () => void): void {
    this.readyListeners.push(listener)
  }

  /** The one of this page, or else the one that goes on since before it was loaded again. */
  get upload(): Upload | undefined {
    const sending = this.stats?.sending
    return this.sent ?? (sending && { received: sending.received, size: sending.size, fate: { _tag: "Waiting" } })
  }

  changed(): void {
    for (const listener of this.listeners) listener()
  }

  // ---- what happens

  became(status: ClientStatus.Status): void {
    const now = Date.now()
    const last = this.spans.at(-1)
    if (status._tag === "Ready" && this.status._tag === "Ready" && status.generation === this.status.generation) {
      // The same connection: it is suspect, or is not any more.
      this.status = status
      return this.changed()
    }
    if (last !== undefined) last.to = now
    if (this.status._tag === "Ready") {
      this.wentAway = now
      for (const beat of this.beats) beat.isLost ||= beat.roundTrip === undefined
    }
    this.spans.push({ from: now, to: undefined, status })
    this.status = status
    this.resumed = undefined
    if (status._tag === "Ready") {
      this.session = status
      this.flags.push({ _tag: "Start", at: now, start: status.start })
      if (status.start._tag === "Resumed") {
        this.resumed = {
          at: now,
          away: this.wentAway === undefined ? undefined : now - this.wentAway,
          replayed: this.stats?.replayed ?? 0
        }
      }
    }
    const caption = captions.ofStatus(status)
    if (caption !== undefined) this.tell(caption.text, caption.tone)
    this.prune(now)
    this.changed()
    if (status._tag === "Ready") for (const listener of this.readyListeners) listener()
  }

  happened(event: ClientStatus.ClientEvent): void {
    const caption = captions.ofEvent(event)
    if (caption !== undefined) this.tell(caption.text, caption.tone)
  }

  looked(stats: ClientStatus.ClientStats): void {
    const now = Date.now()
    const before = this.stats
    for (const [figure, kind] of counted) {
      // What was counted before this page was loaded did not happen now.
      const had = before?.[figure] ?? stats[figure]
      // A new session counts from 0 again.
      const count = stats[figure] < had ? stats[figure] : stats[figure] - had
      if (count > 0) this.marks.push({ at: now, kind, count })
    }
    this.stats = stats
    if (stats.sending !== undefined && this.sent?.fate._tag === "Waiting") {
      this.sent = { ...this.sent, received: stats.sending.received, size: stats.sending.size }
    }
    if (stats.connection !== undefined) {
      this.timing = stats.connection
      this.roundTrip = stats.connection.roundTrip ?? this.roundTrip
    }
    if (this.resumed !== undefined && now - this.resumed.at >= 250) {
      const { away, replayed } = this.resumed
      this.resumed = undefined
      this.tell(captions.ofResume(away, stats.replayed - replayed), "good")
    }
    this.prune(now)
    this.changed()
  }

  pinged(id: number): void {
    this.beats.push({ id, at: Date.now(), roundTrip: undefined, isLost: false })
  }

  ponged(id: number): void {
    const beat = this.beats.findLast((beat) => beat.id === id)
    if (beat !== undefined && !beat.isLost) beat.roundTrip ??= Date.now() - beat.at
  }

  heard(): void {
    const now = Date.now()
    const last = this.heards.at(-1)
    // Of many in a moment the first is drawn; the figures are the library's own.
    if (last === undefined || now - last >= 50) this.heards.push(now)
  }

  line(): void {
    this.marks.push({ at: Date.now(), kind: "Line", count: 1 })
  }

  uploads(): void {
    this.sent = { received: 0, size: 0, fate: { _tag: "Waiting" } }
    this.changed()
  }

  uploaded(fate: Fate): void {
    if (this.sent !== undefined) this.sent = { ...this.sent, fate }
    this.changed()
  }

  broke(label: string, text: string): void {
    this.flags.push({ _tag: "Fault", at: Date.now(), label })
    this.tell(text, "fault")
  }

  tell(text: string, tone: captions.Tone): void {
    this.captions = [{ at: Date.now(), text, tone }, ...this.captions].slice(0, 6)
    this.changed()
  }

  private prune(now: number): void {
    const since = now - kept
    const recent = <A extends { readonly at: number }>(items: Array<A>) =>
      (items[0]?.at ?? since) < since || items.length > most
        ? items.filter(({ at }) => at >= since).slice(-most)
        : items
    this.beats = recent(this.beats)
    this.marks = recent(this.marks)
    this.flags = recent(this.flags)
    this.heards = this.heards.filter((at) => at >= since).slice(-2 * most)
    this.spans = this.spans.filter(({ to }) => to === undefined || to >= since).slice(-most)
  }
}
