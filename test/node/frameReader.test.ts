/** What is read in front of `ws` is what `ws` alone would have read, however the network cuts it. */
import type { IncomingMessage } from "node:http"
import type { Socket } from "node:net"
import { Duplex } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { WebSocket, WebSocketServer } from "ws"
import { ClientTransport } from "../../src/node/internal/clientTransport.js"
import { ServerTransport } from "../../src/node/internal/serverTransport.js"
import { ReasonedWebSocket, type WsTransport } from "../../src/node/internal/wsTransport.js"

type End = "server" | "client"
type Told = ReadonlyArray<unknown>

const maxPayload = 10_000
const options = { noServer: true, perMessageDeflate: false, autoPong: false, maxPayload } as const

/** A socket whose peer is the test. */
class Wire extends Duplex {
  readonly bytesWritten = 0
  override _read(): void {}
  override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
    done()
  }
}

/** The rest of a turn, and what it puts off. */
const turn = () => new Promise<void>((resume) => setImmediate(resume))

/** `ws` on that wire, of a server; of a client, what it would be after its handshake. */
const upgrade = (end: End, wire: Wire, kind: typeof WebSocket): WebSocket => {
  if (end === "client") {
    // The types lack what its own server makes its sockets with.
    const Made = kind as unknown as new (address: null, protocols: undefined, options: object) => WebSocket
    const ws = new Made(null, undefined, { autoPong: false }) as WebSocket & {
      _isServer: boolean
      setSocket: (socket: Duplex, head: Buffer, options: object) => void
    }
    ws._isServer = false
    ws.setSocket(wire, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload, skipUTF8Validation: false })
    return ws
  }
  const server = new WebSocketServer({ ...options, WebSocket: kind } as ConstructorParameters<
    typeof WebSocketServer
  >[0])
  const request = {
    method: "GET",
    url: "/",
    headers: { upgrade: "websocket", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-version": "13" }
  }
  let made: WebSocket | undefined
  server.handleUpgrade(request as unknown as IncomingMessage, wire, Buffer.alloc(0), (ws) => {
    made = ws
  })
  if (made === undefined) throw new Error("the upgrade is not done at once")
  return made
}

const violation = (error: Error) => ["error", (error as Error & { readonly code?: string }).code]

/** What `ws` alone tells of these chunks. */
const alone = async (end: End, sent: Sent): Promise<Told> => {
  const wire = new Wire()
  const told: Array<unknown> = []
  upgrade(end, wire, WebSocket)
    .on("message", (data: Buffer, isBinary: boolean) => told.push(["message", isBinary, data.toString("hex")]))
    .on("ping", (data) => told.push(["ping", data.toString("hex")]))
    .on("pong", (data) => told.push(["pong", data.toString("hex")]))
    .on("error", (error) => told.push(violation(error)))
    .on("close", (code) => told.push(["close", code]))
  await feed(wire, sent)
  return told
}

/** What the peer sends: in so many reads, some of which are told of in one tick. */
interface Sent {
  readonly chunks: ReadonlyArray<Buffer>
  readonly inOneTick?: ReadonlyArray<boolean>
}

const feed = async (wire: Wire, { chunks, inOneTick }: Sent): Promise<void> => {
  for (const [at, chunk] of chunks.entries()) {
    wire.push(Buffer.from(chunk)) // masks are applied in place
    if (inOneTick?.[at] !== true) await turn()
  }
  await turn()
  wire.push(null)
  for (let i = 0; i < 3; i++) await turn()
  wire.destroy()
  for (let i = 0; i < 3; i++) await turn()
}

const transportOf = (end: End, ws: ReasonedWebSocket, wire: Wire): WsTransport => {
  const socket = wire as unknown as Socket
  if (end === "server") return new ServerTransport(ws, socket, "peer", maxPayload)
  const transport = new ClientTransport(ws, socket, "peer")
  transport.opened(maxPayload)
  return transport
}

/** What a transport tells of them, and how many bytes it left to `ws`. */
const inFront = async (end: End, sent: Sent): Promise<{ told: Told; left: number }> => {
  const wire = new Wire()
  const told: Array<unknown> = []
  const ws = upgrade(end, wire, ReasonedWebSocket) as ReasonedWebSocket
  let left = 0
  let closed = 0
  const receiver = (ws as unknown as { readonly _receiver: { write: (chunk: Buffer) => boolean } })._receiver
  const write = receiver.write
  receiver.write = (chunk) => {
    left += chunk.length
    return Reflect.apply(write, receiver, [chunk])
  }
  const hex = (payload: Uint8Array) => Buffer.from(payload).toString("hex")
  const transport = transportOf(end, ws, wire)
  ws.on("error", (error) => told.push(violation(error)))
  ws.on("close", (code) => told.push(["close", code]))
  transport.run({
    message: (frame) =>
      told.push(["message", typeof frame !== "string", hex(typeof frame === "string" ? Buffer.from(frame) : frame)]),
    ping: (payload) => told.push(["ping", hex(payload)]),
    pong: (payload) => told.push(["pong", hex(payload)]),
    congested: () => {},
    drained: () => {},
    closed: () => void closed++
  })
  await feed(wire, sent)
  assert.strictEqual(closed, 1)
  return { told, left }
}

interface Piece {
  readonly first: number
  readonly payload: Buffer
  readonly isMasked: boolean
  /** Bytes of the length, when they are more than are needed. */
  readonly long: boolean
}

const frame = ({ first, isMasked, long, payload }: Piece): Buffer => {
  const { length } = payload
  const bit = isMasked ? 0x80 : 0
  const head =
    length > 0xffff || (long && length > 125)
      ? [first, bit | 127, 0, 0, 0, 0, length >>> 24, (length >>> 16) & 0xff, (length >>> 8) & 0xff, length & 0xff]
      : length > 125 || long
        ? [first, bit | 126, length >> 8, length & 0xff]
        : [first, bit | length]
  const key = [7, 130, 9, 255]
  const body = isMasked ? payload.map((byte, at) => byte ^ (key[at & 3] ?? 0)) : payload
  return Buffer.concat([Buffer.from(head), Buffer.from(isMasked ? key : []), body])
}

const text = fc.oneof(fc.string({ maxLength: 300 }), fc.string({ unit: "grapheme", maxLength: 100 })).map(Buffer.from)
const small = fc.uint8Array({ maxLength: 125 }).map((bytes) => Buffer.from(bytes))
const anything = fc.uint8Array({ maxLength: 10_100, size: "max" }).map((bytes) => Buffer.from(bytes))

const good = (first: number, payload: fc.Arbitrary<Buffer>) => ({ first: fc.constant(first), payload })

/** Frames: good ones as a rule, of a fragmented message too, and any. */
const pieces = (end: End): fc.Arbitrary<Buffer> => {
  const of = (kind: { readonly first: fc.Arbitrary<number>; readonly payload: fc.Arbitrary<Buffer> }, odd = 0) =>
    fc
      .record({
        ...kind,
        isMasked: fc.integer({ min: 1, max: 100 }).map((n) => n <= odd !== (end === "server")),
        long: fc.integer({ min: 1, max: 20 }).map((n) => n === 1)
      })
      .map(frame)
  const fragmented = fc.tuple(text, small, text, text).map(([one, ping, two, three]) => {
    const isMasked = end === "server"
    return Buffer.concat([
      frame({ first: 0x01, payload: one, isMasked, long: false }),
      frame({ first: 0x89, payload: ping, isMasked, long: false }),
      frame({ first: 0x00, payload: two, isMasked, long: false }),
      frame({ first: 0x80, payload: three, isMasked, long: false })
    ])
  })
  return fc.oneof(
    { weight: 30, arbitrary: of(good(0x81, text)) },
    { weight: 10, arbitrary: of(good(0x82, small)) },
    { weight: 6, arbitrary: of(good(0x89, small)) },
    { weight: 6, arbitrary: of(good(0x8a, small)) },
    { weight: 4, arbitrary: of(good(0x82, anything)) },
    { weight: 4, arbitrary: fragmented },
    { weight: 1, arbitrary: of(good(0x81, anything)) },
    { weight: 1, arbitrary: of(good(0x88, fc.constant(Buffer.from([3, 232])))) },
    { weight: 1, arbitrary: of({ first: fc.integer({ min: 0, max: 255 }), payload: small }, 20) }
  )
}

/** What the peer sends, in any chunks. */
const sent = (end: End) =>
  fc
    .tuple(
      fc.array(pieces(end), { minLength: 1, maxLength: 12 }),
      fc.array(fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 9000 })), { maxLength: 12 }),
      fc.array(fc.boolean(), { maxLength: 12 }),
      fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(20) })
    )
    .map(([frames, cuts, inOneTick, lacking]): Sent => {
      const whole = Buffer.concat(frames)
      const all = whole.subarray(0, Math.max(1, whole.length - lacking))
      const chunks: Array<Buffer> = []
      let at = 0
      for (const cut of cuts) {
        if (at >= all.length) break
        chunks.push(all.subarray(at, at + cut))
        at += cut
      }
      if (at < all.length) chunks.push(all.subarray(at))
      return { chunks, inOneTick }
    })

for (const end of ["server", "client"] as const) {
  const isMasked = end === "server"
  const whole = (first: number, payload: string) =>
    frame({ first, payload: Buffer.from(payload), isMasked, long: false })

  describe(`What a ${end} reads`, () => {
    it("is what ws alone reads: the same messages, pings, pongs and violations, in the same order", () =>
      fc.assert(
        fc.asyncProperty(sent(end), async (all) => {
          assert.deepStrictEqual((await inFront(end, all)).told, await alone(end, all))
        }),
        { numRuns: 400 }
      ))

    it("is left to ws only where it does not come whole", async () => {
      const all = Buffer.concat([whole(0x81, "text"), whole(0x82, "bytes"), whole(0x89, "1"), whole(0x8a, "2")])
      const { left, told } = await inFront(end, { chunks: [all] })
      assert.strictEqual(told.length, 5)
      assert.strictEqual(left, 0)
      const cut = await inFront(end, { chunks: [all, all.subarray(0, 9), Buffer.concat([all.subarray(9), all])] })
      assert.strictEqual(cut.told.length, 13)
      assert.strictEqual(cut.left, 0)
      const long = whole(0x81, "long".repeat(2000))
      const large = await inFront(end, {
        chunks: [all, long.subarray(0, 5000), Buffer.concat([long.subarray(5000), all]), all]
      })
      assert.strictEqual(large.told.length, 14)
      assert.strictEqual(large.left, long.length + all.length)
    })

    it("is no frame where the bytes of a payload look like one, which a read begins with", async () => {
      const bytes = whole(0x82, "x".repeat(9000))
      whole(0x81, "within").copy(bytes, 5000)
      const all = { chunks: [bytes.subarray(0, 5000), bytes.subarray(5000), whole(0x81, "after")] }
      const { told } = await inFront(end, all)
      assert.lengthOf(told, 3)
      assert.deepStrictEqual(told, await alone(end, all))
    })

    it("ends with the violation: what the peer sends after it is not told", async () => {
      const bad = frame({ first: 0x81, payload: Buffer.from([0xff]), isMasked, long: false })
      // ASCII with its mask on.
      const hidden = frame({ first: 0x81, payload: Buffer.from([0x41, 0xc3]), isMasked, long: false })
      const lonely = whole(0x80, "continues nothing")
      for (const wrong of [bad, hidden, lonely, whole(0xc1, "reserved"), whole(0x83, "unknown")]) {
        const chunks = [Buffer.concat([wrong, whole(0x81, "after")]), whole(0x81, "after")]
        for (const isOneTick of [true, false]) {
          const { told } = await inFront(end, { chunks, inOneTick: [isOneTick] })
          assert.deepStrictEqual(
            told.map((one) => (one as ReadonlyArray<unknown>)[0]),
            ["error", "close"]
          )
        }
      }
    })

    it("is all that a paused socket still has when it goes", async () => {
      const told: Array<unknown> = []
      const wire = new Wire()
      const transport = transportOf(end, upgrade(end, wire, ReasonedWebSocket) as ReasonedWebSocket, wire)
      transport.run({
        message: (frame) => told.push(frame),
        ping: () => {},
        pong: () => {},
        congested: () => {},
        drained: () => {},
        closed: () => told.push("closed")
      })
      const one = whole(0x81, "one")
      wire.push(one.subarray(0, 3))
      await turn()
      transport.pause()
      wire.push(Buffer.concat([one.subarray(3), whole(0x81, "two")]))
      await turn()
      wire.destroy()
      for (let i = 0; i < 3; i++) await turn()
      assert.deepStrictEqual(told, ["one", "two", "closed"])
    })
  })
}
