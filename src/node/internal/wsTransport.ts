/**
 * A `ws` WebSocket, of either end, as a Transport. Listeners are attached in
 * the tick in which the WebSocket exists; events before `run` are kept.
 */
import type { Duplex } from "node:stream"
import { WebSocket } from "ws"
import { CloseCode } from "../../CloseCode.js"
import type { Frame } from "../../Codec.js"
import type { CloseEvent, Receiver, Transport } from "../../Transport.js"
import { corkForTurn } from "./cork.js"

/** What `ws` found wrong with the peer's frames, as a close code (RFC 6455 §7.4.1). */
const violationCode = (error: Error): number | undefined => {
  const name = "code" in error && typeof error.code === "string" ? error.code : ""
  if (!name.startsWith("WS_ERR_")) return undefined
  switch (name) {
    case "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH":
      return CloseCode.MessageTooBig
    case "WS_ERR_TOO_MANY_BUFFERED_PARTS":
      return CloseCode.PolicyViolation
    case "WS_ERR_INVALID_UTF8":
      return CloseCode.InvalidPayload
    default:
      return CloseCode.ProtocolError
  }
}

const violations: Readonly<Record<number, string>> = {
  [CloseCode.ProtocolError]: "not a WebSocket frame as RFC 6455 has it",
  [CloseCode.InvalidPayload]: "the text is not UTF-8",
  [CloseCode.PolicyViolation]: "too many fragments",
  [CloseCode.MessageTooBig]: "the message is too large"
}

/** Where `ws` closes by itself it gives a code alone; here a reason in words goes with it. */
export class ReasonedWebSocket extends WebSocket {
  override close(code?: number, reason?: string | Buffer): void {
    super.close(code, reason ?? (code === undefined ? undefined : violations[code]))
  }
}

export class WsTransport implements Transport {
  private receiver: Receiver | undefined
  private early: Array<(receiver: Receiver) => void> = []
  private corked = false
  private violation: { readonly code: number; readonly reason: string } | undefined
  private cause: unknown
  /** The last figure, for when the socket is gone. */
  private lastAccepted = 0

  constructor(
    private readonly ws: WebSocket,
    private readonly socket: Duplex & { readonly bytesWritten: number },
    readonly remoteAddress: string
  ) {
    ws.on("message", (data, isBinary) => {
      const bytes = data as Buffer // binaryType is "nodebuffer"
      this.tell((receiver) => receiver.message(isBinary ? bytes : bytes.toString()))
    })
    ws.on("ping", (payload) => this.tell((receiver) => receiver.ping(payload)))
    ws.on("pong", (payload) => this.tell((receiver) => receiver.pong(payload)))
    ws.on("error", (error) => {
      this.cause = error
      const code = violationCode(error)
      if (code !== undefined) this.violation ??= { code, reason: violations[code] ?? error.message }
    })
    ws.on("close", (code, reason) => {
      this.lastAccepted = socket.bytesWritten
      socket.off("drain", this.onDrain)
      const event = this.closeEvent(code, reason.toString())
      this.tell((receiver) => receiver.closed(event))
    })
    socket.on("drain", this.onDrain)
  }

  get protocol(): string {
    return this.ws.protocol
  }

  private closeEvent(code: number, reason: string): CloseEvent {
    if (this.violation !== undefined) return { ...this.violation, clean: false, violation: true, cause: this.cause }
    return { code, reason, clean: code !== CloseCode.Abnormal, cause: this.cause }
  }

  private tell(event: (receiver: Receiver) => void): void {
    if (this.receiver !== undefined) event(this.receiver)
    else this.early.push(event)
  }

  run(receiver: Receiver): void {
    this.receiver = receiver
    const early = this.early
    this.early = []
    for (const event of early) event(receiver)
  }

  private readonly onDrain = (): void => {
    this.receiver?.drained()
  }

  private readonly flushed = (): void => {
    this.corked = false
    if (this.socket.destroyed) return
    if (this.buffered() > 0) this.receiver?.congested()
    else this.onDrain()
  }

  private cork(): void {
    if (this.corked) return
    this.corked = true
    corkForTurn({ socket: this.socket, flushed: this.flushed })
  }

  send(frame: Frame): void {
    if (this.ws.readyState !== this.ws.OPEN) return
    this.cork()
    this.ws.send(frame)
  }

  ping(payload: Uint8Array): void {
    if (this.ws.readyState !== this.ws.OPEN) return
    this.cork()
    this.ws.ping(payload)
  }

  pong(payload: Uint8Array): void {
    if (this.ws.readyState !== this.ws.OPEN) return
    this.cork()
    this.ws.pong(payload)
  }

  close(code: number, reason: string): void {
    this.cork()
    this.ws.close(code, reason)
  }

  destroy(): void {
    // What was written must have a chance to leave before the socket goes.
    if (this.corked) this.socket.uncork()
    this.ws.terminate()
  }

  pause(): void {
    this.ws.pause()
  }

  resume(): void {
    this.ws.resume()
  }

  buffered(): number {
    return this.socket.destroyed ? 0 : this.socket.writableLength
  }

  accepted(): number {
    return this.socket.destroyed ? this.lastAccepted : this.socket.bytesWritten
  }
}
