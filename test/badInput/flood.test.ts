/** A message of 100 MB: refused at its header, and the server's memory stays where it was. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { connect, makeBystander, makeGateway, type Peer, soon, unharmed, wireFrame } from "./support.js"

const chunk = Buffer.alloc(64 * 1024)

/** Writes chunk after chunk, no faster than the server takes them, until enough was written or it closed. */
const pour = (peer: Peer, bytes: number, write: (left: number) => Buffer, sample: () => void) =>
  soon(
    "the flood to end",
    Effect.async<number>((resume) => {
      let written = 0
      const more = () => {
        sample()
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

const used = (): number => {
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

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
          const before = used()
          let peak = 0
          peer.socket.write(head)
          yield* pour(peer, 100_000_000, write, () => {
            peak = Math.max(peak, used() - before)
          })
          assert.strictEqual((yield* peer.closed).code, 1009)
          assert.isBelow(peak / 1e6, 50, "MB")
          yield* unharmed(gateway, bystander)
        })
      )
    }
  }

  it.scopedLive("of pings from a peer that does not read are answered without being kept", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const bystander = yield* makeBystander(gateway)
      const peer = yield* connect(gateway.address)
      yield* peer.hello()
      const pings = Buffer.concat(Array.from({ length: 500 }, () => wireFrame(9, Buffer.alloc(125))))
      const before = used()
      let peak = 0
      // It does not read, so that the pongs have nowhere to go.
      peer.socket.pause()
      yield* pour(
        peer,
        50_000_000,
        () => pings,
        () => {
          peak = Math.max(peak, used() - before)
        }
      )
      assert.isBelow(peak / 1e6, 50, "MB")
      peer.socket.destroy()
      yield* unharmed(gateway, bystander)
    })
  )
})
