/** A message of 100 MB, or too many small ones: refused, and the server's memory stays where it was. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { kept } from "./memory.js"
import { connect, makeBystander, makeGateway, type Peer, type Said, soon, unharmed, wireFrame } from "./support.js"

const chunk = Buffer.alloc(64 * 1024)

/** Writes chunk after chunk, no faster than the server takes them, until enough was written or it closed. */
const pour = (peer: Peer, bytes: number, write: (left: number) => Buffer, sample: (written: number) => void) =>
  soon(
    "the flood to end",
    Effect.async<number>((resume) => {
      let written = 0
      const more = () => {
        sample(written)
        while (written < bytes && peer.socket.writable) {
          const next = write(bytes - written)
          written += next.byteLength
          if (!peer.socket.write(next)) return void peer.socket.once("drain", more)
        }
        resume(Effect.succeed(written))
      }
      peer.socket.once("close", () => resume(Effect.succeed(written)))
      more()
    })
  )

/** Pours, and tells the most that was kept meanwhile, by both ends: it is measured every 4 MB. */
const keptOf = (peer: Peer, bytes: number, write: (left: number) => Buffer) =>
  Effect.suspend(() => {
    const before = kept()
    let most = 0
    let next = 0
    const sample = (written: number) => {
      if (written < next) return
      next = written + 4_000_000
      most = Math.max(most, kept() - before)
    }
    return Effect.map(pour(peer, bytes, write, sample), () => Math.max(most, kept() - before))
  })

const floods: ReadonlyArray<readonly [string, Buffer, (left: number) => Buffer]> = [
  ["one frame", wireFrame(2, Buffer.alloc(0), { length: 100_000_000 }), () => chunk],
  [
    "a frame of 64 kB at a time",
    wireFrame(2, Buffer.alloc(0), { fin: false }),
    () => wireFrame(0, chunk, { fin: false })
  ]
]

describe("100 MB and the like", () => {
  for (const [name, head, write] of floods) {
    for (const greeted of [false, true]) {
      it.scopedLive(`in ${name}, ${greeted ? "in a session" : "instead of hello"}: 1009`, () =>
        Effect.gen(function* () {
          const gateway = yield* makeGateway()
          const bystander = yield* makeBystander(gateway)
          const peer = yield* connect(gateway.address)
          if (greeted) yield* peer.hello()
          peer.socket.write(head)
          const most = yield* keptOf(peer, 100_000_000, write)
          assert.strictEqual((yield* peer.closed).code, 1009)
          assert.isBelow(most / 1e6, 5, "MB")
          yield* unharmed(gateway, bystander)
        })
      )
    }
  }

  it.scopedLive("of pings from a peer that does not read are answered without being kept", () =>
    Effect.gen(function* () {
      // Within its rates, or they would end it.
      const gateway = yield* makeGateway({ messageRate: 2 ** 30, byteRate: 2 ** 30 })
      const bystander = yield* makeBystander(gateway)
      const peer = yield* connect(gateway.address)
      yield* peer.hello()
      const pings = Buffer.concat(Array.from({ length: 500 }, () => wireFrame(9, Buffer.alloc(125))))
      // It does not read, so that the pongs have nowhere to go.
      peer.socket.pause()
      const most = yield* keptOf(peer, 50_000_000, () => pings)
      assert.isBelow(most / 1e6, 5, "MB")
      peer.socket.destroy()
      yield* unharmed(gateway, bystander)
    })
  )
})

const text = (message: object) => wireFrame(1, Buffer.from(JSON.stringify(message)))
const many = (frame: Buffer, count: number) => Buffer.concat(Array.from({ length: count }, () => frame))

const tooFast: ReadonlyArray<readonly [name: string, frames: Buffer, reason: string]> = [
  ["acknowledgements of nothing new", many(text({ type: "ack", ack: 0 }), 500), "more than 10000 messages a second"],
  ["pings of the protocol", many(text({ type: "ping", id: 1 }), 500), "more than 10000 messages a second"],
  ["pings of the WebSocket", many(wireFrame(9, Buffer.alloc(4)), 500), "more than 10000 messages a second"],
  ["pongs to nothing", many(wireFrame(10, Buffer.alloc(4)), 500), "more than 10000 messages a second"],
  ["large messages", text({ type: "ack", ack: 0, padding: "x".repeat(1_000_000) }), "more than 16777216 bytes a second"]
]

describe("more than a second's worth at once", () => {
  for (const [name, frames, reason] of tooFast) {
    it.scopedLive(`of ${name}: goaway and 4429`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway()
        const bystander = yield* makeBystander(gateway)
        const peer = yield* connect(gateway.address)
        yield* peer.hello()
        yield* pour(
          peer,
          frames.byteLength * 50,
          () => frames,
          () => {}
        )
        yield* bystander.echoes
        const goaway = yield* peer.next("goaway")
        assert.strictEqual(goaway["reason"], reason)
        assert.isAtLeast(Number(goaway["retryAfter"]), 1000)
        assert.isAtMost(Number(goaway["retryAfter"]), 1200)
        assert.deepStrictEqual(yield* peer.closed, { code: 4429, reason })
        yield* unharmed(gateway, bystander)
      })
    )
  }

  it.scopedLive("and in the next connection of the session: it is closed again, and then waited for", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway({ messageRate: 100, replayMessages: 10, resumeWindow: "10 seconds" })
      const flood = many(text({ type: "ack", ack: 0 }), 200)
      const resumeOf = ({ secret, session }: Said) => ({ resume: { session, secret, processed: 0, oldest: 1 } })
      const first = yield* connect(gateway.address)
      const began = yield* first.hello()
      first.socket.write(flood)
      assert.strictEqual((yield* first.closed).code, 4429)
      const second = yield* connect(gateway.address)
      const resumed = yield* second.hello(resumeOf(began))
      assert.isTrue(resumed["resumed"])
      second.socket.write(flood.subarray(0, flood.byteLength / 2))
      assert.strictEqual((yield* second.closed).code, 4429)
      yield* Effect.sleep(Number((yield* second.next("goaway"))["retryAfter"]))
      const third = yield* connect(gateway.address)
      assert.isTrue((yield* third.hello(resumeOf(resumed)))["resumed"])
      third.socket.write(flood.subarray(0, flood.byteLength / 2))
      yield* third.echoes
    })
  )
})
