/** Frames after the gateway's close frame, from a peer that does not answer it: they are not looked at, and soon not read. */
import * as net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { requestOf, upgrade } from "./rawRequest.js"
import { makeBystander, makeGateway, soon, unharmed, until, wireFrame } from "./support.js"

/** A peer that was told to close, and has not answered; with the bytes that it hears from then on, until the gateway ends its side. */
const toldToClose = (address: string) =>
  Effect.gen(function* () {
    const socket = yield* Effect.acquireRelease(
      Effect.sync(() => net.connect({ port: Number(new URL(address).port), host: "127.0.0.1", allowHalfOpen: true })),
      (socket) => Effect.sync(() => socket.destroy())
    )
    let heard = Buffer.alloc(0)
    let isOver = false
    socket.on("data", (chunk) => {
      heard = Buffer.concat([heard, chunk])
    })
    socket.on("end", () => {
      isOver = true
    })
    socket.on("error", () => {})
    socket.write(requestOf(upgrade))
    // Nothing comes between the answer and the close, which has its reason in words.
    const bytes = Effect.sync(() => heard.indexOf("\r\n\r\n") + 4)
    yield* until("the upgrade", bytes, (head) => head > 3)
    const head = yield* bytes
    socket.write(wireFrame(1, Buffer.from("no message")))
    const close = () => heard.subarray(head)
    yield* until("the close", Effect.sync(close), (frame) => frame.length > 2 && frame.length === 2 + Number(frame[1]))
    assert.strictEqual(close()[0], 0x88)
    assert.strictEqual(close().readUInt16BE(2), 4400)
    const length = heard.length
    const later = () => heard.length - length
    return { socket, later, isOver: () => isOver }
  })

const ping = wireFrame(9, Buffer.alloc(4))
const kinds: Readonly<Record<string, Buffer>> = {
  messages: wireFrame(1, Buffer.from('{"type":"hello"}')),
  pings: ping,
  pongs: wireFrame(10, Buffer.alloc(4)),
  "fragments of a message": wireFrame(0, Buffer.from("x"), { fin: false })
}

describe("after its close", () => {
  for (const [what, frame] of Object.entries(kinds)) {
    it.scopedLive(`a gateway takes 64 ${what} and then ends the connection, without an answer to its close`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway({ closeTimeout: "1 hour" })
        const bystander = yield* makeBystander(gateway)
        const { isOver, later, socket } = yield* toldToClose(gateway.address)
        const first = frame[0] === 0 ? wireFrame(1, Buffer.from("x"), { fin: false }) : frame
        socket.write(Buffer.concat([first, ...Array.from({ length: 62 }, () => frame)]))
        for (let turn = 0; turn < 5; turn++) yield* bystander.echoes
        assert.isFalse(isOver(), "after 63")
        socket.write(frame)
        yield* soon("the end", until("the end", Effect.sync(isOver), Boolean))
        // Whatever else it sends goes nowhere: it takes no memory, and no word comes back.
        for (let mega = 0; mega < 8; mega++) socket.write(Buffer.concat(Array.from({ length: 1000 }, () => frame)))
        yield* bystander.echoes
        assert.strictEqual(later(), 0)
        socket.end()
        yield* unharmed(gateway, bystander)
      })
    )
  }
})
