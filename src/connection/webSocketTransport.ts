/**
 * A page's WebSocket as a Transport. What a page cannot do is made up for
 * here: it has no event for buffers that drain, so they are looked at while
 * they are not empty; it cannot stop reading, so what arrives meanwhile is
 * held, within a bound; it cannot drop a connection, so one that is dropped is
 * closed and not listened to any more.
 */
import * as Effect from "effect/Effect"
import { CloseCode, truncateReason } from "../protocol/CloseCode.js"
import { byteLength, type Frame } from "../protocol/Codec.js"
import type { CloseEvent, Receiver, Transport } from "./Transport.js"

/** Milliseconds between two looks at a buffer that is not empty. */
const lookEvery = 20

/** Largest messages, of which so many may be held while the application does not read. */
const heldMessages = 8

/** The cost of holding a message, beside its bytes: empty ones have a bound, too. */
const heldEnvelope = 64

/** A page may close with 1000 and with 3000 to 4999 alone (WHATWG WebSockets): any other code goes into the reason. */
const asPage = (code: number, reason: string): readonly [code: number, reason: string] =>
  code === CloseCode.Normal || (code >= 3000 && code <= 4999)
    ? [code, reason]
    : [CloseCode.Normal, truncateReason(reason === "" ? String(code) : `${code}: ${reason}`)]

export interface Page {
  readonly maxFrame: number
  /** Runs a fiber that is interrupted with the scope of the transport. */
  readonly fork: (effect: Effect.Effect<void>) => void
}

export class WebSocketTransport implements Transport {
  /** A page can neither ping nor see a ping: the browser answers it. */
  readonly ping = undefined
  readonly pong = undefined
  readonly remoteAddress: string

  private receiver: Receiver | undefined
  /** Frames that have arrived and were not handed over. */
  private arrived: Array<Frame> = []
  private arrivedBytes = 0
  private acceptedBytes = 0
  private isPaused = false
  private isLooking = false
  private scheduled = false
  private end: CloseEvent | undefined
  private told = false

  constructor(
    private readonly webSocket: WebSocket,
    private readonly page: Page
  ) {
    this.remoteAddress = new URL(webSocket.url).host
    webSocket.binaryType = "arraybuffer"
    webSocket.addEventListener("message", this.onMessage)
    webSocket.addEventListener("close", this.onClose)
  }

  get protocol(): string {
    return this.webSocket.protocol
  }

  run(receiver: Receiver): void {
    this.receiver = receiver
    this.handOverSoon()
  }

  // ---- reading

  private readonly onMessage = ({ data }: MessageEvent<string | ArrayBuffer>): void => {
    const frame = typeof data === "string" ? data : new Uint8Array(data)
    const size = byteLength(frame)
    if (size > this.page.maxFrame) return this.violated(CloseCode.MessageTooBig, "the message is too large")
    this.arrived.push(frame)
    this.arrivedBytes += size
    this.handOver()
    const held = this.arrivedBytes + this.arrived.length * heldEnvelope
    if (held > heldMessages * (this.page.maxFrame + heldEnvelope)) {
      this.violated(CloseCode.TooSlow, "more arrived than is held while nobody reads")
    }
  }

  private readonly onClose = ({ code, reason, wasClean }: globalThis.CloseEvent): void => {
    this.finish({ code, reason, clean: wasClean && code !== CloseCode.Abnormal })
  }

  private violated(code: number, reason: string): void {
    this.arrived = []
    this.arrivedBytes = 0
    this.close(code, reason)
    this.finish({ code, reason, clean: false, violation: true })
  }

  private finish(event: CloseEvent): void {
    if (this.end !== undefined) return
    this.end = event
    this.webSocket.removeEventListener("message", this.onMessage)
    this.webSocket.removeEventListener("close", this.onClose)
    this.handOver()
  }

  private handOver(): void {
    const { receiver } = this
    if (receiver === undefined) return
    while (!this.isPaused) {
      const frame = this.arrived.shift()
      if (frame === undefined) break
      this.arrivedBytes -= byteLength(frame)
      receiver.message(frame)
    }
    if (this.end === undefined || this.told || this.arrived.length > 0) return
    this.told = true
    receiver.closed(this.end)
  }

  /** Never from within a call into the transport. */
  private handOverSoon(): void {
    if (this.scheduled) return
    this.scheduled = true
    queueMicrotask(() => {
      this.scheduled = false
      this.handOver()
    })
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
    this.handOverSoon()
  }

  // ---- writing

  private get isOpen(): boolean {
    return this.end === undefined && this.webSocket.readyState === this.webSocket.OPEN
  }

  send(frame: Frame): void {
    if (!this.isOpen) return
    this.acceptedBytes += byteLength(frame)
    this.webSocket.send(frame as string | Uint8Array<ArrayBuffer>) // no frame of Holdfast's is on shared memory
    if (this.isLooking || this.webSocket.bufferedAmount === 0) return
    this.isLooking = true
    this.page.fork(this.look)
  }

  private readonly look: Effect.Effect<void> = Effect.suspend(() =>
    Effect.repeat(
      Effect.delay(
        Effect.sync(() => this.looked()),
        lookEvery
      ),
      { while: (isMore) => isMore }
    )
  )

  /** True while there is something to look for. */
  private looked(): boolean {
    this.isLooking = this.buffered() > 0
    if (this.isLooking) this.receiver?.congested()
    else if (this.isOpen) this.receiver?.drained()
    return this.isLooking
  }

  buffered(): number {
    // What a closed one has not sent is counted for ever (WHATWG WebSockets, `bufferedAmount`).
    return this.isOpen ? this.webSocket.bufferedAmount : 0
  }

  accepted(): number {
    return this.acceptedBytes
  }

  // ---- ends

  close(code: number, reason: string): void {
    this.webSocket.close(...asPage(code, reason))
    // A closing end reads on, or the answer would never be seen.
    this.resume()
  }

  destroy(): void {
    this.isPaused = false
    if (this.end === undefined) {
      this.arrived = []
      this.arrivedBytes = 0
      this.webSocket.removeEventListener("message", this.onMessage)
      this.webSocket.removeEventListener("close", this.onClose)
      this.webSocket.close()
      this.end = { code: CloseCode.Abnormal, reason: "", clean: false }
    }
    this.handOverSoon()
  }
}
