/**
 * The protocol in one file of plain JavaScript, without dependencies: what a client in any language has to do. For pages, Node 22
 * or later, and Node 20 with `--experimental-websocket`. It speaks `holdfast.v1.json` (src/PROTOCOL.md, whose sections are
 * named below); topics (§9) and rates (§7) are left out: where it sends too fast, it is closed with 4429 and comes back.
 *
 *     const client = new PlainClient("ws://127.0.0.1:8080/", { token: "ann", onMessage: (body) => console.log(body) })
 *     await client.send({ _tag: "Say", text: "hello" }) // resolves when the server has processed it
 *     await client.close()
 */

/** The features that it knows (§1). With none of them it is a client of the first version. */
export const features = ["client-limits", "parts", "ended"]

const maxMessage = 1024 * 1024
/** Parts that may be on their way unanswered (§5). */
const partsAtOnce = 2
const ackDelay = 50
const stableAfter = 5000

/** Close codes at which a client stops (§8). */
const isFinal = (code) =>
  [1002, 1003, 1007, 1008, 1009, 1010, 4400, 4401, 4403, 4409, 4410].includes(code) || (code >= 4500 && code <= 4999)

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const sizeOf = (text) => encoder.encode(text).length

/** The bytes from `at` on, at most `most` of them, and no half of a character. */
const cut = (bytes, at, most) => {
  let end = Math.min(bytes.length, at + most)
  while (end < bytes.length && (bytes[end] & 0xc0) === 0x80) end--
  return bytes.subarray(at, end)
}

export class PlainClient {
  // Out: what was not acknowledged, oldest first, each with its number, bytes and promise.
  #outgoing = []
  #sent = 0
  /** The last message that was written whole to this connection, and bytes of the next one. */
  #written = 0
  #partOut = 0
  /** The last one of which anything was ever written. */
  #begun = 0
  /** What the server will have with each part that was written to this connection and is not answered: [seq, bytes]. */
  #unanswered = []

  // In: the last message received and the last processed, and the pieces of one that is not whole.
  #received = 0
  #processed = 0
  #pieces = []
  #partIn = 0
  #acked = 0
  #handling = Promise.resolve()

  #session // { session, secret }, from the welcome
  #epoch = 0
  #attempt = 0
  #failures = 0
  #retryAfter
  #socket
  #welcome
  #shared = new Set()
  #timers = new Set()
  #ackTimer
  #lastHeard = 0
  #isSilent = false
  #isClosing = false
  #ended

  /** `second` is the first delay of a reconnect, in milliseconds; the longest is thirty of them. */
  constructor(url, options = {}) {
    this.url = url
    this.options = { WebSocket: globalThis.WebSocket, knows: features, second: 1000, ...options }
    this.ended = new Promise((resolve) => {
      this.#ended = resolve
    })
    this.#connect()
  }

  // ---- for the application

  /** Resolves when the server has processed it; rejects when nobody can know, or it cannot be any more. */
  send(body) {
    if (this.#isClosing) return Promise.reject(new Error("the client is closed"))
    const bytes = encoder.encode(JSON.stringify(body))
    const entry = { seq: ++this.#sent, bytes }
    entry.fate = new Promise((resolve, reject) => Object.assign(entry, { resolve, reject }))
    this.#outgoing.push(entry)
    this.#transmit()
    return entry.fate
  }

  /** Ends the session, after what was sent (§3, bye). */
  async close() {
    await Promise.allSettled(this.#outgoing.map(({ fate }) => fate))
    this.#isClosing = true
    if (this.#welcome === undefined) return this.#end("closed")
    this.#say({ type: "bye" })
    return this.ended
  }

  // ---- a connection (§1, §2)

  #connect() {
    const socket = new this.options.WebSocket(this.url, "holdfast.v1.json")
    this.#socket = socket
    const only = (handle) => (event) => {
      if (this.#socket === socket) handle(event)
    }
    this.#lastHeard = performance.now()
    this.#isSilent = false
    const given = this.#after(10_000, () => this.#lost(socket, 1006))
    socket.addEventListener(
      "open",
      only(() => this.#hello())
    )
    socket.addEventListener(
      "message",
      only(({ data }) => {
        clearTimeout(given)
        this.#lastHeard = performance.now()
        this.#hear(data)
      })
    )
    socket.addEventListener("error", () => {})
    socket.addEventListener(
      "close",
      only(({ code }) => this.#lost(socket, code))
    )
  }

  #hello() {
    const { knows, token } = this.options
    const resume = this.#session && {
      ...this.#session,
      processed: this.#processed,
      oldest: this.#outgoing[0]?.seq ?? this.#sent + 1,
      attempt: ++this.#attempt,
      ...(knows.includes("parts") ? { received: { seq: this.#received, bytes: this.#partIn } } : {})
    }
    this.#say({
      type: "hello",
      heartbeat: "message", // a page can neither send nor see a ping (§6)
      ...(token === undefined ? {} : { token }),
      ...(resume === undefined ? {} : { resume }),
      ...(knows.length === 0 ? {} : { features: knows, limits: { maxMessage } })
    })
  }

  /** §8: waits 1, 2, 4 … 30 s, each ±20 %, or what the server asked for; and connects again. */
  #lost(socket, code) {
    if (this.#socket !== socket) return
    this.#socket = undefined
    // What this server had of clients may all be coming back.
    const spread = code === 1006 && !this.#isSilent ? (this.#welcome?.spread ?? 0) : 0
    const wasStable = this.#welcome !== undefined && performance.now() - this.#welcome.at >= stableAfter
    this.#welcome = undefined
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
    this.#ackTimer = undefined
    socket.close()
    if (this.#isClosing || isFinal(code)) return this.#end(code === 1000 ? "closed" : `closed with ${code}`)
    if (wasStable) this.#failures = 0
    const { second } = this.options
    const delay =
      Math.min(30 * second, second * 2 ** this.#failures++ * (0.8 + 0.4 * Math.random())) + spread * Math.random()
    setTimeout(() => this.#isClosing || this.#connect(), this.#retryAfter ?? delay)
    this.#retryAfter = undefined
  }

  #end(reason) {
    this.#isClosing = true
    this.#socket?.close()
    this.#socket = undefined
    for (const { reject } of this.#outgoing) reject(new Error(reason))
    this.#outgoing = []
    this.#ended(reason)
    this.options.onEnd?.(reason)
  }

  /** A timer of this connection. */
  #after(millis, run) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      run()
    }, millis)
    this.#timers.add(timer)
    return timer
  }

  // ---- what the server says

  #hear(text) {
    // A part's piece follows its object, behind a line feed (§5).
    const end = text.startsWith('{"type":"part"') ? text.indexOf("\n") : -1
    const message = JSON.parse(end < 0 ? text : text.slice(0, end))
    switch (message.type) {
      case "welcome":
        return this.#welcomed(message)
      case "data":
        this.#acknowledged(message.ack)
        return this.#take(message)
      case "part":
        this.#acknowledged(message.ack)
        return this.#takePart(message, text.slice(end + 1))
      case "received":
        // One answer may do for several.
        this.#unanswered = this.#unanswered.filter(
          ([seq, bytes]) => seq > message.seq || (seq === message.seq && bytes > message.bytes)
        )
        return this.#transmit()
      case "ack":
        return this.#acknowledged(message.ack)
      case "error":
        if (message.seq !== undefined) this.#refused(message)
        return
      case "goaway":
        this.#retryAfter = Math.max(100, message.retryAfter)
        return
      case "ping":
        return this.#say({ type: "pong", id: message.id })
      default: // replayed, pong, and what it did not ask for
    }
  }

  /** §4, welcome. */
  #welcomed(welcome) {
    this.#welcome = { ...welcome, at: performance.now() }
    this.#shared = new Set(this.options.knows.filter((name) => welcome.features?.includes(name)))
    if (!welcome.resumed && this.#session !== undefined) this.#startAfresh(welcome.reason)
    this.#session = { session: welcome.session, secret: welcome.secret }
    for (const refusal of welcome.refused ?? []) this.#refused(refusal)
    const has = (this.#shared.has("parts") && welcome.received) || { seq: welcome.processed, bytes: 0 }
    this.#written = has.seq
    this.#partOut = has.bytes
    this.#unanswered = []
    this.#acked = welcome.resumed ? this.#processed : 0
    this.#say({ type: "ack", ack: this.#acked })
    this.#acknowledged(welcome.processed)
    this.#beat(0)
    this.options.onReady?.(welcome)
    this.#transmit()
  }

  /** §6: a ping every `heartbeat`; silence for `deadline` is the end. */
  #beat(id) {
    const { deadline, heartbeat } = this.#welcome
    const socket = this.#socket
    this.#after(heartbeat, () => {
      this.#say({ type: "ping", id })
      this.#beat(id + 1)
    })
    if (id > 0) return
    const watch = () => {
      const left = this.#lastHeard + deadline - performance.now()
      if (left <= 0) {
        this.#isSilent = true
        this.#lost(socket, 1006)
      } else this.#after(left, watch)
    }
    watch()
  }

  /** §4: not resumed. What had left has an unknown outcome; the rest goes out in the new session. */
  #startAfresh(reason) {
    this.#epoch++
    const unknown = this.#outgoing.filter(({ seq }) => seq <= this.#begun)
    const unsent = this.#outgoing.filter(({ seq }) => seq > this.#begun)
    for (const { reject } of unknown) reject(new Error(`the session was lost (${reason}): it may have been processed`))
    this.#outgoing = unsent.map((entry, i) => Object.assign(entry, { seq: i + 1 }))
    this.#sent = unsent.length
    this.#begun = 0
    this.#received = 0
    this.#processed = 0
    this.#pieces = []
    this.#partIn = 0
  }

  // ---- in (§2, §5)

  #take({ body, confirm, seq }) {
    if (seq <= this.#received) return // it was here before
    this.#received = seq
    this.#pieces = []
    this.#partIn = 0
    const epoch = this.#epoch
    this.#handling = this.#handling.then(async () => {
      await this.options.onMessage?.(body, seq)
      if (epoch !== this.#epoch) return
      this.#processed = seq
      if (confirm === true) this.#acknowledge()
      else this.#ackTimer ??= this.#after(ackDelay, () => this.#acknowledge())
    })
  }

  #takePart({ at, confirm, of, seq }, piece) {
    if (seq <= this.#received) return
    if (at === 0) this.#pieces = []
    else if (at !== this.#partIn) return this.#socket.close(4400, "a part is missing")
    this.#pieces.push(piece)
    this.#partIn = at + sizeOf(piece)
    if (this.#partIn === of) this.#take({ seq, confirm, body: JSON.parse(this.#pieces.join("")) })
    this.#say({ type: "received", seq: this.#received, bytes: this.#partIn })
  }

  #acknowledge() {
    clearTimeout(this.#ackTimer)
    this.#ackTimer = undefined
    if (this.#welcome === undefined || this.#acked >= this.#processed) return
    this.#acked = this.#processed
    this.#say({ type: "ack", ack: this.#acked })
  }

  // ---- out (§2, §5)

  #acknowledged(ack) {
    while (this.#outgoing[0] !== undefined && this.#outgoing[0].seq <= ack) this.#outgoing.shift().resolve()
    if (ack > this.#written) {
      this.#written = ack
      this.#partOut = 0
    }
    this.#transmit()
  }

  /** It counts as processed, and is refused (§4, error). */
  #refused({ code, reason, seq }) {
    this.#outgoing.find((entry) => entry.seq === seq)?.reject(new Error(`${code}: ${reason}`))
  }

  /** Writes what the limits of the welcome allow. */
  #transmit() {
    while (this.#welcome !== undefined) {
      const next = this.#outgoing.find(({ seq }) => seq === this.#written + 1)
      const { bytes: most, messages, part } = this.#welcome.limits
      const inFlight = this.#outgoing.filter(({ seq }) => seq <= this.#written)
      const size = inFlight.reduce((sum, { bytes }) => sum + bytes.length, next?.bytes.length ?? 0)
      if (next === undefined || (inFlight.length > 0 && (inFlight.length >= messages || size > most))) return
      if (!this.#shared.has("parts") || next.bytes.length <= part) this.#writeWhole(next)
      else if (this.#unanswered.length < partsAtOnce) this.#writePart(next, part)
      else return
    }
  }

  #writeWhole({ bytes, seq }) {
    this.#acked = this.#processed
    this.#socket.send(`{"type":"data","seq":${seq},"ack":${this.#acked},"body":${decoder.decode(bytes)}}`)
    this.#wrote(seq)
  }

  #writePart({ bytes, seq }, most) {
    const at = this.#partOut
    const piece = cut(bytes, at, most)
    this.#acked = this.#processed
    const head = { type: "part", seq, ack: this.#acked, at, of: bytes.length }
    this.#socket.send(`${JSON.stringify(head)}\n${decoder.decode(piece)}`)
    this.#partOut = at + piece.length
    this.#unanswered.push(this.#partOut === bytes.length ? [seq, 0] : [seq - 1, this.#partOut])
    this.#begun = Math.max(this.#begun, seq)
    if (this.#partOut === bytes.length) this.#wrote(seq)
  }

  #wrote(seq) {
    this.#written = seq
    this.#partOut = 0
    this.#begun = Math.max(this.#begun, seq)
  }

  #say(message) {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message))
  }
}
