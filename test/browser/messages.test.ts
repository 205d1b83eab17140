import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { Codec } from "holdfast"
import { eventually, upTo } from "../node/support.js"
import { inPage, until } from "./chromium.js"
import { describeWithChromium } from "./gate.js"
import { inBrowser, starts, untilReadyTimes, world } from "./support.js"

const MiB = 1024 * 1024
/** What MessagePack puts before so many bytes. */
const binHeader = 5

describeWithChromium("a page's messages", () => {
  inBrowser((it) => {
    it.scoped("arrive in order, both ways, up to 1 MiB of text", () =>
      Effect.gen(function* () {
        const { connect, handled, page } = yield* world()
        yield* connect()
        yield* inPage(
          page,
          async (size) => {
            for (let n = 1; n <= 200; n++) await window.holdfast.send(n)
            await window.holdfast.deliver("z".repeat(size))
          },
          MiB - 2 // the quotes are part of the message
        )
        yield* until(page, "all are echoed", () => window.holdfast.received.length >= 201, undefined)
        const isEchoed = (size: number) => window.holdfast.received.pop() === "z".repeat(size)
        assert.isTrue(yield* inPage(page, isEchoed, MiB - 2))
        assert.deepStrictEqual(yield* inPage(page, () => window.holdfast.received, undefined), upTo(200))
        assert.deepStrictEqual(handled.slice(0, 200), upTo(200))
        assert.strictEqual(handled.length, 201)
      })
    )

    it.scoped("arrive as bytes over MessagePack, both ways, up to 1 MiB", () =>
      Effect.gen(function* () {
        const { connect, handled, page, wires } = yield* world()
        yield* connect({ codec: "msgpack" })
        assert.strictEqual(wires[0]?.protocol, "holdfast.v1.msgpack")
        yield* inPage(
          page,
          (size) => window.holdfast.deliver(Uint8Array.from({ length: size }, (_, at) => (at * 31) % 251)),
          MiB - binHeader
        )
        yield* until(page, "it is echoed", () => window.holdfast.received.length === 1, undefined)
        const isEchoed = (size: number) => {
          const [back] = window.holdfast.received
          return (
            back instanceof Uint8Array && back.length === size && back.every((byte, at) => byte === (at * 31) % 251)
          )
        }
        assert.isTrue(yield* inPage(page, isEchoed, MiB - binHeader))
        const [bytes] = handled
        assert.instanceOf(bytes, Uint8Array)
        assert.isTrue(wires[0]?.frames.every((frame) => typeof frame !== "string"))
      })
    )

    it.scoped("of more than 1 MiB are refused by `send`, and the session goes on", () =>
      Effect.gen(function* () {
        const { connect, handled, page } = yield* world()
        yield* connect()
        const refusal = yield* inPage(
          page,
          async (size) => {
            const { deliver, send } = window.holdfast
            const refused = await send("z".repeat(size)).then(() => "accepted", String)
            await deliver("after it")
            return refused
          },
          MiB - 1
        )
        assert.match(refusal, /MessageTooLarge/)
        assert.deepStrictEqual(handled, ["after it"])
      })
    )

    it.scoped("are lost by no cut and come twice by none, both ways", () =>
      Effect.gen(function* () {
        const { connect, handled, page, proxy } = yield* world()
        yield* connect()
        const count = 3000
        yield* inPage(
          page,
          (count) => {
            const sendAll = async () => {
              for (let n = 1; n <= count; n++) {
                await window.holdfast.send(n)
                if (n % 50 === 0) await new Promise((resume) => setTimeout(resume, 20))
              }
            }
            void sendAll()
          },
          count
        )
        for (const [at, times] of [2, 3, 4].entries()) {
          const some = (count * (at + 1)) / 4
          yield* eventually(
            `${some} messages are handled`,
            Effect.sync(() => handled.length >= some)
          )
          // So that the cut hits messages on their way, however the processor is shared.
          yield* proxy.silence("up")
          yield* eventually(
            "something is on its way",
            Effect.map(
              inPage(page, () => window.holdfast.stats(), undefined),
              ({ unacknowledged }) => unacknowledged.messages > 0 || handled.length === count
            )
          )
          yield* proxy.cut
          yield* proxy.restore
          yield* untilReadyTimes(page, times)
        }
        yield* until(page, "all are echoed", (count) => window.holdfast.received.length >= count, count)
        assert.deepStrictEqual(handled, upTo(count))
        assert.deepStrictEqual(yield* inPage(page, () => window.holdfast.received, undefined), upTo(count))
        assert.deepStrictEqual(yield* starts(page), ["Fresh", "Resumed", "Resumed", "Resumed"])
        const { replayed } = yield* inPage(page, () => window.holdfast.stats(), undefined)
        assert.isAbove(replayed, 0, "the cuts hit messages on their way")
      })
    )

    it.scoped("wait in `send` and not in the browser's memory while the network takes nothing, and go on after", () =>
      Effect.gen(function* () {
        const mebibytes = 64
        // More than the kernel's buffers take, so that the browser's own must.
        const limits = { replayBytes: 24 * MiB, byteRate: 1024 * MiB }
        const { connect, handled, page, proxy } = yield* world({ ...limits, mute: true })
        // On a busy machine it takes longer than 10 s to flood, and that is no stuck write.
        yield* connect({ ...limits, highWaterMark: MiB, writeDeadline: "2 minutes" })
        yield* proxy.silence("up")
        yield* inPage(
          page,
          (mebibytes) => {
            const flood = async () => {
              for (let n = 1; n <= mebibytes; n++) {
                await window.holdfast.send(String(n).padEnd(1024 * 1024 - 2, "."))
                document.title = `sent ${n}`
              }
            }
            void flood()
          },
          mebibytes
        )
        yield* until(page, "`send` suspends", () => document.title === "sent 24", undefined)
        yield* proxy.restore
        yield* eventually(
          "everything has arrived",
          Effect.sync(() => handled.length === mebibytes)
        )
        assert.deepStrictEqual(
          handled.map((text) => Number.parseInt(String(text), 10)),
          upTo(mebibytes)
        )
        assert.deepStrictEqual(yield* starts(page), ["Fresh"])
        // The message that goes above the mark is written whole.
        const most = yield* inPage(page, () => window.holdfast.mostBuffered(), undefined)
        assert.isAbove(most, MiB)
        assert.isAtMost(most, 2 * MiB + 2 * Codec.envelopeBytes)
      })
    )
  })
})
