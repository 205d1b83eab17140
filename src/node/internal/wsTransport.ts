/**
 * A `ws` WebSocket, of either end, as a Transport. Listeners are attached in
 * the tick in which the WebSocket exists; events before `run` are kept.
 *
 * What is sent is framed here, and leaves in one write at the end of the turn:
 * `ws` would write header and payload of each message by themselves. Most of
 * what comes is read here, too (`FrameReader`). `ws` has the handshake, the rest
 * of what comes, and the close; no extension is negotiated at either end, so
 * that a frame is a header and its message.
 */
import type { Socket } from "node:net"
import { WebSocket } from "ws"
import type { CloseEvent, Receiver, Transport } from "../../connection/Transport.js"
import { CloseCode } from "../../protocol/CloseCode.js"
import type { Frame } from "../../protocol/Codec.js"
import { First } from "./frameHeader.js"
import { FrameReader, type Heard } from "./frameReader.js"
import { type Chunk, give, Outgoing } from "./outgoing.js"
import { limitReceiver } from "./receiverLimit.js"
import { atEndOfTurn, type Due } from "./writeBatch.js"

/** The flaw that `ws` found in the peer's frames, as a close code (RFC 6455 §7.4.1). */
const violationCode = (error: Error): number | undefined => {
  const name = "code" in error && typeof error.code === "string" ? error.code : ""
  if (!name.startsWith("WS_ERR_")) return undefined
  switch (name) {
    case "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH":
    case "WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH":
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
  /** Has what must leave before a close frame does. */
  transport: WsTransport | undefined

  override close(code?: number, reason?: string | Buffer): void {
    this.transport?.finish()
    super.close(code, reason ?? (code === undefined ? undefined : violations[code]))
  }
}

/** Finds the transport of a socket: one listener of each kind serves all of them. */
const transportOf = Symbol("holdfast/transport")

type Carrier = Socket & { [transportOf]?: WsTransport }

// The listeners' `this` is whom they listen to.

function onMessage(this: WebSocket, data: unknown, isBinary: boolean): void {
  const bytes = data as Buffer // binaryType is "nodebuffer"
  const frame = isBinary ? bytes : bytes.toString()
  ;(this as ReasonedWebSocket).transport?.received(frame)
}

function onPing(this: WebSocket, payload: Buffer): void {
  ;(this as ReasonedWebSocket).transport?.pinged(payload)
}

function onPong(this: WebSocket, payload: Buffer): void {
  ;(this as ReasonedWebSocket).transport?.ponged(payload)
}

function onError(this: WebSocket, error: Error): void {
  ;(this as ReasonedWebSocket).transport?.failed(error)
}

function onClose(this: WebSocket, code: number, reason: Buffer): void {
  ;(this as ReasonedWebSocket).transport?.closed(code, reason.toString())
}

/** Before `ws` ends the socket in its turn. */
function onEnd(this: Carrier): void {
  this[transportOf]?.finish()
}

export abstract class WsTransport implements Transport, Due, Heard {
  private receiver: Receiver | undefined
  private early: Array<(receiver: Receiver) => void> | undefined
  private violation: { readonly code: number; readonly reason: string } | undefined
  private cause: unknown
  private isDue = false
  private isAwaited = false
  /** Made when something has to wait for the socket. */
  private outgoing: Outgoing | undefined
  private reader: FrameReader | undefined

  constructor(
    private readonly ws: ReasonedWebSocket,
    protected readonly socket: Carrier,
    readonly remoteAddress: string
  ) {
    ws.transport = this
    socket[transportOf] = this
    ws.on("message", onMessage).on("ping", onPing).on("pong", onPong).on("error", onError).on("close", onClose)
    socket.prependListener("end", onEnd)
  }

  // ---- how its end frames

  /** Bytes of frames that are kept until the end of the turn. */
  protected abstract readonly pending: number
  /** Frames a message, and keeps it to go with others; what is large is put out at once, with what was kept before. */
  protected abstract keep(first: First, frame: Frame): void
  /** Puts out what was kept. */
  protected abstract putKept(): void
  /** Frames a message by itself. */
  protected abstract alone(first: First, frame: Frame): Chunk

  /** Gives it to the socket, if that has let go all that it was given; or else has it leave in its turn. */
  protected put(chunk: Chunk): void {
    if (this.withheld === 0 && this.socket.writableLength === 0) return give(this.socket, chunk)
    this.outgoing ??= new Outgoing(this.socket)
    this.outgoing.push(chunk)
  }

  /** Bytes that the socket was not given. */
  private get withheld(): number {
    return this.outgoing === undefined ? 0 : this.outgoing.bytes
  }

  // ---- what happens to the WebSocket

  private tell(event: (receiver: Receiver) => void): void {
    if (this.receiver !== undefined) event(this.receiver)
    else if (this.early === undefined) this.early = [event]
    else this.early.push(event)
  }

  received(frame: Frame): void {
    if (this.receiver !== undefined) this.receiver.message(frame)
    else this.tell((receiver) => receiver.message(frame))
  }

  pinged(payload: Uint8Array): void {
    if (this.receiver !== undefined) this.receiver.ping(payload)
    else this.tell((receiver) => receiver.ping(payload))
  }

  ponged(payload: Uint8Array): void {
    if (this.receiver !== undefined) this.receiver.pong(payload)
    else this.tell((receiver) => receiver.pong(payload))
  }

  fragment(size: number): void {
    if (this.receiver !== undefined) this.receiver.fragment?.(size)
    else this.tell((receiver) => receiver.fragment?.(size))
  }

  partial(size: number): void {
    if (this.receiver !== undefined) this.receiver.partial?.(size)
    else this.tell((receiver) => receiver.partial?.(size))
  }

  /** Reads most of what comes by itself, in front of `ws`, which has taken its socket. */
  protected read(isServer: boolean, maxPayload: number): void {
    this.reader = FrameReader.attach(this.socket, isServer, maxPayload, this)
  }

  failed(error: Error): void {
    this.reader?.stop()
    this.cause = error
    const code = violationCode(error)
    if (code !== undefined) this.violation ??= { code, reason: violations[code] ?? error.message }
  }

  closed(code: number, reason: string): void {
    this.socket.off("end", onEnd)
    const event = this.closeEvent(code, reason)
    this.tell((receiver) => receiver.closed(event))
  }

  private closeEvent(code: number, reason: string): CloseEvent {
    if (this.violation !== undefined) return { ...this.violation, clean: false, violation: true, cause: this.cause }
    return { code, reason, clean: code !== CloseCode.Abnormal, cause: this.cause }
  }

  // ---- Transport

  get protocol(): string {
    return this.ws.protocol
  }

  run(receiver: Receiver): void {
    this.receiver = receiver
    const early = this.early ?? []
    this.early = undefined
    for (const event of early) event(receiver)
  }

  send(frame: Frame): void {
    this.queue(typeof frame === "string" ? First.Text : First.Binary, frame)
  }

  ping(payload: Uint8Array): void {
    this.queue(First.Ping, payload)
  }

  pong(payload: Uint8Array): void {
    this.queue(First.Pong, payload)
  }

  private queue(first: First, frame: Frame): void {
    // From the close frame on nothing may be sent.
    if (this.ws.readyState !== WebSocket.OPEN) return
    if (!this.isDue) {
      this.isDue = true
      atEndOfTurn(this)
    }
    // A heartbeat does not wait behind messages that wait.
    if (this.outgoing?.isWaiting === true && (first === First.Ping || first === First.Pong)) {
      this.outgoing.pushFirst(this.alone(first, frame))
    } else this.keep(first, frame)
  }

  close(code: number, reason: string): void {
    this.ws.close(code, reason)
  }

  limit(maxFrame: number): void {
    this.reader?.limit(maxFrame)
    limitReceiver(this.ws, maxFrame)
  }

  discard(): void {
    this.reader?.stop()
    this.finish()
    this.socket.end()
    // Nobody listens to what comes.
    this.socket.resume()
  }

  destroy(): void {
    // What was sent must have a chance to leave before the socket goes.
    this.finish()
    this.ws.terminate()
  }

  pause(): void {
    this.ws.pause()
  }

  resume(): void {
    this.ws.resume()
  }

  buffered(): number {
    return this.socket.destroyed ? 0 : this.socket.writableLength + this.withheld + this.pending
  }

  accepted(): number {
    return this.socket.bytesWritten + this.withheld + this.pending
  }

  afterReads(then: () => void): void {
    // Immediates have their turn after the sockets.
    setImmediate(then)
  }

  // ---- the turn

  flush(): void {
    // What others send while they hear that the turn is over is of the next one.
    this.isDue = false
    if (this.pending > 0) this.putKept()
    this.outgoing?.advance()
  }

  /** Gives the socket all there is: from now on others write to it. */
  finish(): void {
    if (this.pending > 0) this.putKept()
    this.outgoing?.finish()
  }

  flushed(): void {
    if (this.socket.destroyed) return
    if (this.buffered() === 0) return this.receiver?.drained()
    this.receiver?.congested()
    this.awaitMoved()
  }

  /** Goes on when the socket has let go what it has. */
  private awaitMoved(): void {
    // After its end a socket takes no more, and writes what it has.
    if (this.isAwaited || !this.socket.writable) return
    this.isAwaited = true
    this.socket.write("", "latin1", () => {
      this.isAwaited = false
      this.outgoing?.advance()
      this.flushed()
    })
  }
}
