/** Before it knows who asks, a gateway takes one hello: of at most `maxHello` bytes, in a bounded number of frames. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer } from "effect"
import { Gateway, Listener, SessionStore, type Transport } from "holdfast"
import { NodeListener } from "holdfast/node"
import {
  type CodecName,
  codecs,
  connect,
  echo,
  encode,
  join,
  makeBystander,
  makeGateway,
  type Peer,
  unharmed,
  wireFrame
} from "./support.js"

const maxHello = 16 * 1024
const bytesOf = (codec: CodecName, message: unknown): Buffer => Buffer.from(encode(codec, message) as string | Buffer)

/** A hello of exactly so many bytes. */
const helloOf = (codec: CodecName, size: number): Buffer => {
  const hello = (length: number) => bytesOf(codec, { type: "hello", token: "t".repeat(length) })
  // Of a token of about this length: a short one has a shorter head in MessagePack.
  const envelope = hello(size).byteLength - size
  const bytes = hello(size - envelope)
  assert.strictEqual(bytes.byteLength, size)
  return bytes
}

const opcodeOf = (codec: CodecName): number => (codec === "json" ? 1 : 2)

/** A message as so many fragments. */
const fragments = (opcode: number, bytes: Buffer, count: number): Buffer => {
  const at = (i: number) => Math.floor((bytes.byteLength * i) / count)
  return Buffer.concat(
    Array.from({ length: count }, (_, i) =>
      wireFrame(i === 0 ? opcode : 0, bytes.subarray(at(i), at(i + 1)), { fin: i === count - 1 })
    )
  )
}

const empty = new Uint8Array(0)
const many = (count: number, frame: Buffer): Buffer => Buffer.concat(Array.from({ length: count }, () => frame))

const refused = (write: (peer: Peer) => void, code: number, reason: RegExp, codec: CodecName = "json") =>
  Effect.gen(function* () {
    const gateway = yield* makeGateway()
    const bystander = yield* makeBystander(gateway)
    const peer = yield* connect(gateway.address, { codec })
    write(peer)
    const closed = yield* peer.closed
    assert.strictEqual(closed.code, code)
    assert.match(closed.reason, reason)
    yield* unharmed(gateway, bystander)
    return peer
  })

describe("the size of a hello", () => {
  for (const codec of codecs) {
    for (const count of [1, 2, 1000]) {
      it.scopedLive(`${codec}: exactly maxHello in ${count} frames is heard, and one byte more is 1009`, () =>
        Effect.gen(function* () {
          const gateway = yield* makeGateway()
          const peer = yield* connect(gateway.address, { codec })
          peer.socket.write(fragments(opcodeOf(codec), helloOf(codec, maxHello), count))
          yield* peer.next("welcome")
          yield* peer.echoes
          yield* refused(
            (larger) => larger.socket.write(fragments(opcodeOf(codec), helloOf(codec, maxHello + 1), count)),
            1009,
            /too large/,
            codec
          )
        })
      )
    }
  }

  for (const length of [maxHello + 1, 1_000_000, 2 ** 40, 2 ** 53]) {
    it.scopedLive(`a header that claims ${length} bytes is refused before any of them has come`, () =>
      refused((peer) => peer.socket.write(wireFrame(1, empty, { length })), 1009, /too large/)
    )
  }

  it.scopedLive("fragments are refused at the header with which they are too large together", () =>
    refused(
      (peer) =>
        peer.socket.write(
          Buffer.concat([
            wireFrame(1, Buffer.alloc(maxHello - 10, 0x20), { fin: false }),
            wireFrame(0, empty, { length: 11 })
          ])
        ),
      1009,
      /too large/
    )
  )

  it.scopedLive("once the client is known, its messages are as large as maxMessage says", () =>
    Effect.gen(function* () {
      const { peer } = yield* join((yield* makeGateway()).address)
      const text = "x".repeat(1_000_000)
      peer.data(text)
      const { body } = yield* peer.next("data")
      assert.deepStrictEqual(body, { text })
    })
  )

  it.scopedLive("a hello may be larger than a message", () =>
    Effect.gen(function* () {
      const peer = yield* connect((yield* makeGateway({ maxMessage: 100 })).address)
      peer.socket.write(wireFrame(1, helloOf("json", maxHello)))
      yield* peer.next("welcome")
    })
  )

  it.scopedLive("maxHello is an option", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({ maxHello: 100 })
      const peer = yield* connect(gateway.address)
      peer.socket.write(wireFrame(1, helloOf("json", 101)))
      assert.strictEqual((yield* peer.closed).code, 1009)
      const other = yield* connect(gateway.address)
      other.socket.write(wireFrame(1, helloOf("json", 100)))
      yield* other.next("welcome")
    })
  )

  it.scopedLive("over a transport that knows no limit a larger hello is refused before it is decoded", () =>
    Effect.gen(function* () {
      const without = (transport: Transport.Transport): Transport.Transport => ({
        protocol: transport.protocol,
        remoteAddress: transport.remoteAddress,
        run: (receiver) => transport.run(receiver),
        send: (frame) => transport.send(frame),
        ping: (payload) => transport.ping?.(payload),
        pong: (payload) => transport.pong?.(payload),
        close: (code, reason) => transport.close(code, reason),
        destroy: () => transport.destroy(),
        pause: () => transport.pause(),
        resume: () => transport.resume(),
        buffered: () => transport.buffered(),
        accepted: () => transport.accepted()
      })
      const unlimited = Layer.map(NodeListener.layer({ port: 0 }), (context) => {
        const { address, listen } = Effect.runSync(Effect.provide(Listener.Listener, context))
        return Layer.succeed(Listener.Listener, {
          address,
          listen: (handler) =>
            listen((incoming) =>
              handler({ ...incoming, accept: (options) => Effect.map(incoming.accept(options), without) })
            )
        }).pipe((layer) => Effect.runSync(Effect.scoped(Layer.build(layer))))
      })
      const context = yield* Layer.build(Layer.merge(unlimited, SessionStore.layerMemory()))
      const gateway = yield* Effect.provide(Gateway.make(echo), context)
      const peer = yield* connect(gateway.address)
      peer.socket.write(wireFrame(1, Buffer.alloc(maxHello + 1, 0x20)))
      assert.deepStrictEqual(yield* peer.closed, { code: 1009, reason: `a hello has at most ${maxHello} bytes` })
      // Its characters are fewer than its bytes.
      const wide = yield* connect(gateway.address)
      wide.ws.send(JSON.stringify({ type: "hello", token: "é".repeat(maxHello / 2) }))
      assert.strictEqual((yield* wide.closed).code, 1009)
      const small = yield* connect(gateway.address)
      yield* small.hello()
    })
  )
})

const floods: ReadonlyArray<readonly [string, Buffer]> = [
  ["pings", many(1000, wireFrame(9, empty))],
  ["pongs", many(1000, wireFrame(10, empty))],
  [
    "empty fragments",
    Buffer.concat([wireFrame(1, empty, { fin: false }), many(1000, wireFrame(0, empty, { fin: false }))])
  ],
  ["fragments of a byte", fragments(1, Buffer.alloc(2000, 0x20), 2000)]
]

describe("the frames before a session begins", () => {
  for (const [what, bytes] of floods) {
    it.scopedLive(`${what} without end before the hello: goaway, and 4429`, () =>
      Effect.gen(function* () {
        const peer = yield* refused((peer) => peer.socket.write(bytes), 4429, /too many frames/)
        assert.strictEqual((yield* peer.next("goaway"))["retryAfter"], 1000)
      })
    )

    it.scopedLive(`${what} without end while the hello is looked at: goaway, and 4429`, () =>
      Effect.gen(function* () {
        const asked = yield* Deferred.make<void>()
        const gateway = yield* makeGateway({
          authenticate: () => Effect.zipRight(Deferred.succeed(asked, undefined), Effect.never)
        })
        const peer = yield* connect(gateway.address)
        peer.say({ type: "hello" })
        yield* Deferred.await(asked)
        peer.socket.write(bytes)
        assert.strictEqual((yield* peer.closed).code, 4429)
        assert.strictEqual(peer.waiting("goaway"), 1)
      })
    )
  }

  it.scopedLive("a hello that comes byte by byte is given up", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const peer = yield* connect(gateway.address)
      peer.socket.setNoDelay(true)
      const bytes = wireFrame(1, helloOf("json", 4000))
      for (const byte of bytes) {
        if (peer.isClosed()) break
        yield* Effect.async<void>((resume) => void peer.socket.write(Buffer.of(byte), () => resume(Effect.void)))
        yield* Effect.promise(() => new Promise((resume) => setImmediate(resume)))
      }
      assert.strictEqual((yield* peer.closed).code, 4429)
    })
  )

  it.scopedLive("64 pings are no flood, before the hello and the heartbeats of a session alike", () =>
    Effect.gen(function* () {
      const peer = yield* connect((yield* makeGateway()).address)
      peer.socket.write(many(64, wireFrame(9, empty)))
      yield* peer.hello()
      peer.socket.write(many(1000, wireFrame(9, empty)))
      yield* peer.echoes
    })
  )
})

describe("the frames of a session", () => {
  for (const size of [0, 1]) {
    it.scopedLive(`fragments of ${size} bytes without end count as messages: 4429`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway()
        const bystander = yield* makeBystander(gateway)
        const { peer } = yield* join(gateway.address)
        const start = wireFrame(1, Buffer.from("{"), { fin: false })
        peer.socket.write(Buffer.concat([start, many(15_000, wireFrame(0, Buffer.alloc(size, 0x20), { fin: false }))]))
        assert.deepStrictEqual(yield* peer.closed, { code: 4429, reason: "more than 10000 messages a second" })
        peer.ws.terminate()
        yield* unharmed(gateway, bystander)
      })
    )
  }

  it.scopedLive("a message in fragments of 1 KiB costs one message", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({ messageRate: 20, replayMessages: 4, heartbeatInterval: "30 seconds" })
      const { peer } = yield* join(gateway.address)
      const text = "x".repeat(1000 * 1024)
      const bytes = Buffer.from(JSON.stringify({ type: "data", seq: 1, ack: 0, body: { text } }))
      peer.socket.write(fragments(1, bytes, 1000))
      assert.deepStrictEqual((yield* peer.next("data"))["body"], { text })
    })
  )
})
