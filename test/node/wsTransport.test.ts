/** What `ws` transports write: frames as RFC 6455 has them, in order, counted exactly, one write a turn. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Connection, Listener } from "holdfast"
import { NodeDialer, NodeListener } from "holdfast/node"
import { WebSocket } from "ws"
import { eventually } from "../support/patience.js"
import { ends, type Made, make, rawPeer, serve, writesOf } from "./transportEnds.js"

const turn = Effect.async<void>((resume) => void setImmediate(() => resume(Effect.void)))

const until = (what: string, holds: () => boolean) => eventually(what, Effect.sync(holds))

const heardOf = (made: Made, count: number) =>
  Effect.as(
    until(`${count} events`, () => made.heard.length >= count),
    made.heard
  )

const sizes = [0, 1, 125, 126, 127, 16_384, 16_385, 65_535, 65_536, 65_537, 200_000]

const texts = [
  ...sizes.map((size) => "abcdefghij".repeat(size / 10 + 1).slice(0, size)),
  "é",
  "ÿ".repeat(62),
  "ÿ".repeat(63),
  "日本語".repeat(40),
  "👋".repeat(31),
  "👋".repeat(32),
  "a👋é日".repeat(5000),
  "\u0000\u0080\u07ff\u0800\uffff"
]

const bytes = sizes.map((size) => Buffer.from(Array.from({ length: size }, (_, i) => (i * 7) & 0xff)))

/** The bytes of an unmasked frame of so many. */
const unmasked = (length: number): number => length + (length < 126 ? 2 : length < 65_536 ? 4 : 10)

for (const end of ends) {
  const wire = (length: number): number => unmasked(length) + (end === "client" ? 4 : 0)

  describe(`A transport of a ${end}`, () => {
    it.scopedLive("carries payloads of every size and all text, in one turn and in many", () =>
      Effect.gen(function* () {
        const made = yield* make(end)
        const all = [...texts, ...bytes, ...texts]
        for (const frame of all) made.transport.send(frame)
        assert.deepStrictEqual(yield* heardOf(made, all.length), all)
        made.heard.length = 0
        for (const frame of all) {
          made.transport.send(frame)
          yield* turn
        }
        assert.deepStrictEqual(yield* heardOf(made, all.length), all)
      })
    )

    it.scopedLive("hears payloads of every size and all text", () =>
      Effect.gen(function* () {
        const { peer, told } = yield* make(end)
        const all = [...texts, ...bytes]
        for (const frame of all) peer.send(frame)
        yield* until("all frames", () => told.length >= all.length)
        assert.deepStrictEqual(told, all)
      })
    )

    it.scopedLive("sends a lone surrogate as the replacement character", () =>
      Effect.gen(function* () {
        const made = yield* make(end)
        made.transport.send("a\ud83d")
        made.transport.send("\udc4bb")
        assert.deepStrictEqual(yield* heardOf(made, 2), ["a\ufffd", "\ufffdb"])
      })
    )

    it.scopedLive("keeps data, pings, pongs and the close of one turn in order", () =>
      Effect.gen(function* () {
        const made = yield* make(end)
        const { transport } = made
        transport.send("1")
        transport.ping?.(Buffer.from("2"))
        transport.send("3".repeat(70_000))
        transport.pong?.(Buffer.from("4"))
        transport.send(Uint8Array.of(5))
        transport.ping?.(new Uint8Array(125).fill(54))
        transport.send("7")
        transport.close(4321, "8")
        const accepted = transport.accepted()
        transport.send("after the close")
        transport.ping?.(Buffer.from("after the close"))
        assert.strictEqual(transport.accepted(), accepted)
        assert.deepStrictEqual(yield* heardOf(made, 8), [
          "1",
          ["ping", "2"],
          "3".repeat(70_000),
          ["pong", "4"],
          Buffer.of(5),
          ["ping", "6".repeat(125)],
          "7",
          ["close", 4321, "8"]
        ])
      })
    )

    it.scopedLive("writes once a turn, microtasks included", () =>
      Effect.gen(function* () {
        const made = yield* make(end)
        const writes = writesOf(made.socket)
        yield* Effect.promise(async () => {
          for (let i = 0; i < 5; i++) {
            made.transport.send(`${i}`)
            await undefined
          }
          made.transport.ping?.(Buffer.of(53))
        })
        assert.deepStrictEqual(yield* heardOf(made, 6), ["0", "1", "2", "3", "4", ["ping", "5"]])
        assert.strictEqual(writes.count(), 1)
      })
    )

    it.scopedLive("counts the bytes that wait for the turn's end, and those after it", () =>
      Effect.gen(function* () {
        const { socket, told, transport } = yield* make(end)
        const before = transport.accepted()
        let sent = 0
        let left = 0
        const counts = () => {
          assert.strictEqual(transport.buffered(), sent - left)
          assert.strictEqual(transport.accepted() - before, sent)
        }
        counts()
        const small = ["x", "é👋", "", "日".repeat(100), new Uint8Array(126)]
        for (const frame of [...small, "y".repeat(20_000), "é".repeat(20_000)]) {
          transport.send(frame)
          sent += wire(Buffer.byteLength(frame))
          // What is large leaves a server at once, with what waited before it.
          if (frame.length >= 20_000 && end === "server") left = sent
          counts()
        }
        transport.ping?.(Buffer.from("ping"))
        sent += wire(4)
        counts()
        yield* until("the flush", () => told.includes("drained"))
        assert.strictEqual(transport.buffered(), 0)
        assert.strictEqual(transport.accepted() - before, sent)
        assert.strictEqual(transport.accepted(), socket.bytesWritten)
      })
    )

    it.scopedLive("goes on counting, in order, when the network takes no more", () =>
      Effect.gen(function* () {
        const made = yield* make(end)
        const { heard, peer, told, transport } = made
        const before = transport.accepted()
        peer.pause()
        let count = 0
        while (transport.buffered() === 0) {
          for (let i = 0; i < 20; i++) transport.send(`${count++}`.padEnd(700))
          yield* turn
        }
        assert.include(told, "congested")
        told.length = 0
        const waiting = transport.buffered()
        transport.send("x".repeat(100))
        assert.strictEqual(transport.buffered(), waiting + wire(100))
        yield* turn
        yield* turn
        // The network may have taken more by now.
        assert.isAtMost(transport.buffered(), waiting + wire(100))
        assert.strictEqual(transport.accepted() - before, count * wire(700) + wire(100))
        peer.resume()
        yield* until("all messages", () => heard.length === count + 1)
        assert.deepStrictEqual(
          heard.slice(0, count).map(Number),
          Array.from({ length: count }, (_, i) => i)
        )
        yield* until("the word that nothing waits", () => told.includes("drained"))
        assert.strictEqual(transport.buffered(), 0)
      })
    )

    it.scopedLive("lets a ping pass the rest of a large message, and tells how that leaves", () =>
      Effect.gen(function* () {
        const { heard, peer, told, transport } = yield* make(end)
        const large = Buffer.alloc(12_000_000, 7)
        peer.pause()
        transport.send(large)
        yield* until("the network takes no more", () => told.includes("congested") && transport.buffered() > 0)
        transport.ping?.(Buffer.from("1"))
        peer.resume()
        yield* until("all has come", () => heard.length === 2)
        assert.deepStrictEqual(heard[0], ["ping", "1"])
        assert.isTrue(large.equals(heard[1] as Buffer))
        yield* until("nothing waits", () => told.at(-1) === "drained")
        // Once for each time that some had left and others waited.
        assert.isAbove(told.filter((event) => event === "congested").length, 2)
      })
    )

    it.scopedLive("says that nothing waits any more, however little has waited", () =>
      Effect.gen(function* () {
        const { heard, peer, socket, told, transport } = yield* make(end)
        peer.pause()
        while (transport.buffered() === 0) {
          transport.send("x".repeat(1000))
          yield* turn
        }
        assert.isFalse(socket.writableNeedDrain, "the socket does not count itself as full")
        told.length = 0
        peer.resume()
        yield* until("the word", () => told.includes("drained"))
        assert.strictEqual(transport.buffered(), 0)
        assert.isAbove(heard.length, 0)
      })
    )

    it.scopedLive("sends what was sent before it is destroyed, and nothing after", () =>
      Effect.gen(function* () {
        const made = yield* make(end)
        const { told, transport } = made
        transport.send("before")
        transport.send("y".repeat(20_000))
        transport.destroy()
        transport.send("after")
        transport.ping?.(Buffer.from("after"))
        transport.close(1000, "after")
        transport.destroy()
        assert.strictEqual(transport.buffered(), 0)
        assert.deepStrictEqual(yield* heardOf(made, 3), ["before", "y".repeat(20_000), ["close", 1006, ""]])
        yield* until("the end", () => told.length > 0)
        assert.deepStrictEqual(told, [["closed", 1006, "", false]])
      })
    )

    it.scopedLive("ends once, and throws nothing, when its socket goes before the turn's end", () =>
      Effect.gen(function* () {
        const { socket, told, transport } = yield* make(end)
        transport.send("x")
        transport.send("y".repeat(20_000))
        socket.destroy()
        transport.send("z")
        assert.strictEqual(transport.buffered(), 0)
        yield* turn
        yield* until("the end", () => told.length > 0)
        yield* Effect.sleep(20)
        assert.deepStrictEqual(told, [["closed", 1006, "", false]])
      })
    )

    it.scopedLive("answers a close after what it has sent in that turn", () =>
      Effect.gen(function* () {
        const made = yield* make(end)
        const { heard, peer, told, transport } = made
        transport.run({
          message: (frame) => transport.send(`echo ${frame}`),
          ping: () => {},
          pong: () => {},
          congested: () => {},
          drained: () => {},
          closed: ({ code, reason }) => told.push(["closed", code, reason])
        })
        peer.send("1")
        peer.send("2")
        peer.close(4000, "bye")
        yield* until("the close", () => heard.length === 3)
        assert.deepStrictEqual(heard, ["echo 1", "echo 2", ["close", 4000, "bye"]])
        yield* until("the end", () => told.length === 1)
        assert.deepStrictEqual(told, [["closed", 4000, "bye"]])
      })
    )
  })
}

describe("A transport of a server", () => {
  it.scopedLive("sends what it has before it answers the end of the peer's half", () =>
    Effect.gen(function* () {
      const { next, port } = yield* serve
      const [{ socket, transport }, raw] = yield* Effect.all([next, rawPeer(port)], { concurrency: "unbounded" })
      socket.prependListener("end", () => transport.send("last"))
      raw.socket.end()
      yield* until("the frame", () => raw.bytes().length > 0)
      assert.strictEqual(raw.bytes().toString("latin1"), "\x81\x04last")
    })
  )

  it.scopedLive("sends the same to many, and to each what it was sent", () =>
    Effect.gen(function* () {
      const all = yield* Effect.all(Array.from({ length: 20 }, () => make("server")))
      const slow = all[7] as Made
      slow.peer.pause()
      while (slow.transport.buffered() < 100_000) {
        slow.transport.send("f".repeat(10_000))
        yield* turn
      }
      const shared = ["one", "zwölf 👋", Uint8Array.of(1, 2, 3), "l".repeat(30_000), "é".repeat(17_000)]
      const expected = all.map((_, i) => [...shared, ...(i % 3 === 0 ? ["own"] : []), ...shared, `${i}`, shared[0]])
      const rounds = 5
      for (let round = 0; round < rounds; round++) {
        // Both orders in which a topic may serve its subscribers.
        if (round % 2 === 0) {
          all.forEach(({ transport }, i) => {
            for (const frame of expected[i] ?? []) transport.send(frame as string)
          })
        } else {
          for (let at = 0; at < 15; at++) {
            all.forEach(({ transport }, i) => {
              const frame = expected[i]?.[at]
              if (frame !== undefined) transport.send(frame)
            })
          }
        }
        if (round > 1) yield* turn
      }
      slow.peer.resume()
      for (const [i, { heard }] of all.entries()) {
        const wanted = Array.from({ length: rounds }, () => expected[i] ?? []).flat()
        const fill = (frame: unknown) => typeof frame === "string" && frame.startsWith("fff")
        yield* until(`all of ${i}`, () => heard.filter((frame) => !fill(frame)).length >= wanted.length)
        assert.deepStrictEqual(
          heard.filter((frame) => !fill(frame)),
          wanted.map((frame) => (typeof frame === "string" ? frame : Buffer.from(frame ?? [])))
        )
      }
    })
  )

  it.scopedLive("takes the same bytes as a message, a ping and a pong", () =>
    Effect.gen(function* () {
      const [first, second] = yield* Effect.all([make("server"), make("server")])
      const same = Buffer.from("same")
      first.transport.send(same)
      second.transport.ping?.(same)
      second.transport.pong?.(same)
      first.transport.send(same)
      assert.deepStrictEqual(yield* heardOf(second, 2), [
        ["ping", "same"],
        ["pong", "same"]
      ])
      assert.deepStrictEqual(yield* heardOf(first, 2), [same, same])
    })
  )
})

describe("A transport of a client", () => {
  it.scopedLive("masks each frame with a key of its own", () =>
    Effect.gen(function* () {
      const made = yield* make("client")
      const written: Array<Buffer> = []
      const { write } = made.socket
      made.socket.write = (...args: ReadonlyArray<unknown>) => {
        written.push(args[0] as Buffer) // a client writes nothing else
        return Reflect.apply(write, made.socket, args)
      }
      const count = 3000
      for (let i = 0; i < count; i++) made.transport.send("zero")
      assert.deepStrictEqual(yield* heardOf(made, count), Array(count).fill("zero"))
      const all = Buffer.concat(written)
      assert.strictEqual(all.length, count * 10)
      const keys = new Set(Array.from({ length: count }, (_, i) => all.readUInt32BE(i * 10 + 2)))
      assert.isAbove(keys.size, count - 3)
    })
  )
})

describe("Extensions", () => {
  it.scopedLive("are not accepted by a listener, and not offered by a dialer", () =>
    Effect.gen(function* () {
      const listener = Context.get(yield* Layer.build(NodeListener.layer({ port: 0 })), Listener.Listener)
      const offers: Array<unknown> = []
      yield* listener.listen(({ accept, request }) => {
        offers.push(request.headers["sec-websocket-extensions"])
        const accepted = accept({ protocol: "", maxFrame: 1000, closeTimeout: 1000 })
        Effect.runFork(Effect.map(accepted, (transport) => transport.destroy()))
      })
      const offering = new WebSocket(listener.address, { perMessageDeflate: true })
      yield* Effect.async<void>((resume) => void offering.once("open", () => resume(Effect.void)))
      assert.strictEqual(offering.extensions, "")
      yield* Connection.dial(listener.address).pipe(Effect.provide(NodeDialer.layer))
      assert.strictEqual(offers.length, 2)
      assert.include(offers[0], "permessage-deflate")
      assert.isUndefined(offers[1])
    })
  )
})
