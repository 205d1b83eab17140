/** A WebSocket as WHATWG has it, whose network is the test. */
import { assert } from "@effect/vitest"

interface Listener {
  readonly type: string
  readonly listener: (event: Event) => void
  readonly once: boolean
}

const urlOf = (url: string): string => {
  const { href, protocol } = new URL(url)
  if (protocol !== "ws:" && protocol !== "wss:")
    throw new DOMException(`not a WebSocket's scheme: ${protocol}`, "SyntaxError")
  return href
}

class FakeEvent extends Event {
  constructor(type: string, fields: object) {
    super(type)
    Object.assign(this, fields)
  }
}

export class FakeWebSocket {
  static made: Array<FakeWebSocket> = []
  readonly CONNECTING = 0
  readonly OPEN = 1
  readonly CLOSING = 2
  readonly CLOSED = 3
  readyState = 0
  bufferedAmount = 0
  binaryType = "blob"
  protocol = ""
  readonly url: string
  readonly sent: Array<unknown> = []
  readonly closes: Array<readonly [code: number | undefined, reason: string | undefined]> = []
  listeners: Array<Listener> = []

  constructor(
    url: string,
    readonly protocols: Array<string> = []
  ) {
    this.url = urlOf(url)
    FakeWebSocket.made.push(this)
  }

  addEventListener(type: string, listener: (event: Event) => void, options?: AddEventListenerOptions): void {
    const added = { type, listener, once: options?.once === true }
    this.listeners.push(added)
    options?.signal?.addEventListener("abort", () => {
      this.listeners = this.listeners.filter((other) => other !== added)
    })
  }

  removeEventListener(type: string, listener: (event: Event) => void): void {
    this.listeners = this.listeners.filter((other) => other.type !== type || other.listener !== listener)
  }

  private dispatch(type: string, fields: object = {}): void {
    const event = new FakeEvent(type, fields)
    for (const { listener, once, type: its } of [...this.listeners]) {
      if (its !== type) continue
      if (once) this.removeEventListener(type, listener)
      listener(event)
    }
  }

  send(data: unknown): void {
    if (this.readyState === this.CONNECTING) throw new DOMException("it is connecting", "InvalidStateError")
    const size = typeof data === "string" ? Buffer.byteLength(data) : (data as Uint8Array).byteLength
    // What is sent while it closes is counted all the same (WHATWG WebSockets).
    this.bufferedAmount += size
    if (this.readyState === this.OPEN) this.sent.push(data)
  }

  close(code?: number, reason?: string): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
      throw new DOMException(`a page may not close with ${code}`, "InvalidAccessError")
    }
    if (reason !== undefined && Buffer.byteLength(reason) > 123) throw new DOMException("too long", "SyntaxError")
    this.closes.push([code, reason])
    if (this.readyState < this.CLOSING) this.readyState = this.CLOSING
  }

  // ---- the network

  opens(protocol = ""): void {
    this.protocol = protocol
    this.readyState = this.OPEN
    this.dispatch("open")
  }

  receives(data: string | Uint8Array): void {
    assert.strictEqual(this.binaryType, "arraybuffer")
    this.dispatch("message", { data: typeof data === "string" ? data : data.slice().buffer })
  }

  ends(code: number, reason = "", wasClean = code !== 1006): void {
    this.readyState = this.CLOSED
    if (!wasClean) this.dispatch("error")
    this.dispatch("close", { code, reason, wasClean })
  }

  /** The network takes all but so many bytes. */
  takes(left = 0): void {
    this.bufferedAmount = left
  }
}

/** As the type of the platform's own has it. */
export const asConstructor = (make: new (url: string, protocols: Array<string>) => FakeWebSocket) =>
  make as unknown as new (
    url: string,
    protocols: Array<string>
  ) => WebSocket // has what Holdfast uses of it
