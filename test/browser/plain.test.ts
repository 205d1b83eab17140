import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { type WebSocket, WebSocketServer } from "ws"
import { eventually } from "../node/support.js"
import { freePort } from "../redis/server.js"
import { patiently } from "../support/patience.js"
import { inPage, profile, until } from "./chromium.js"
import { describeWithChromium } from "./gate.js"
import { BarePage, inBrowser } from "./support.js"

const MiB = 1024 * 1024

/** A server that is none of Holdfast's, with the one connection that a test makes. */
const server = Effect.gen(function* () {
  const webSockets = yield* Effect.acquireRelease(
    Effect.async<WebSocketServer>((resume) => {
      const made = new WebSocketServer({ port: 0, host: "127.0.0.1" })
      made.once("listening", () => resume(Effect.succeed(made)))
    }),
    (made) =>
      Effect.async<void>((resume) => {
        for (const webSocket of made.clients) webSocket.terminate()
        made.close(() => resume(Effect.void))
      })
  )
  const address = webSockets.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  const connection = Effect.async<WebSocket>((resume) => {
    webSockets.once("connection", (webSocket) => resume(Effect.succeed(webSocket)))
  })
  return { url: `ws://127.0.0.1:${port}/`, connection }
})

const closeOf = (webSocket: WebSocket) =>
  Effect.async<{ readonly code: number; readonly reason: string }>((resume) => {
    webSocket.once("close", (code, reason) => resume(Effect.succeed({ code, reason: reason.toString() })))
  }).pipe((closed) => patiently("the close", closed))

/** The bare page and that server, connected. */
const connected = Effect.gen(function* () {
  const { connection, url } = yield* server
  const { open } = yield* profile
  const page = yield* open(yield* BarePage)
  const [webSocket] = yield* Effect.all([connection, inPage(page, (dialled) => window.plain.dial(dialled), url)], {
    concurrency: 2
  })
  return { page, webSocket }
})

describeWithChromium("a page's connection without a session", () => {
  inBrowser((it) => {
    it.scoped("has `send` wait while the browser's buffer is full, and go on as soon as it has drained", () =>
      Effect.gen(function* () {
        const { page, webSocket } = yield* connected
        const sizes: Array<number> = []
        webSocket.on("message", (data: Buffer) => void sizes.push(data.length))
        webSocket.pause()
        yield* inPage(
          page,
          () => {
            const flood = async () => {
              for (let n = 1; n <= 64; n++) {
                await window.plain.send("z".repeat(1024 * 1024))
                document.title = `sent ${n}`
              }
            }
            void flood()
          },
          undefined
        )
        yield* until(page, "the buffer is full", (mark) => window.holdfast.mostBuffered() > mark, MiB)
        assert.notStrictEqual(yield* inPage(page, () => document.title, undefined), "sent 64")
        webSocket.resume()
        // Nothing comes from the server that could wake it.
        yield* eventually(
          "everything has arrived",
          Effect.sync(() => sizes.length === 64)
        )
        assert.isAtMost(yield* inPage(page, () => window.holdfast.mostBuffered(), undefined), 2 * MiB)
      })
    )

    it.scoped(
      "holds what comes while nobody reads, in order, and is closed with 4413 before that is without bound",
      () =>
        Effect.gen(function* () {
          const held = yield* connected
          for (let n = 1; n <= 6; n++) held.webSocket.send(String(n).padEnd(MiB, "."))
          const first = (count: number) =>
            window.plain.read(count).then((frames) => frames.map((frame) => Number.parseInt(String(frame), 10)))
          assert.deepStrictEqual(yield* inPage(held.page, first, 6), [1, 2, 3, 4, 5, 6])

          const { page, webSocket } = yield* connected
          for (let n = 1; n <= 12; n++) webSocket.send(String(n).padEnd(MiB, "."))
          const { code, reason } = yield* closeOf(webSocket)
          assert.strictEqual(code, 4413)
          assert.match(reason, /nobody reads/)
          assert.deepInclude(yield* inPage(page, () => window.plain.ended(), undefined), {
            tag: "PeerViolation",
            code: 4413
          })
        })
    )

    it.scoped("is closed with the code and reason of `close`, where a page may send that code", () =>
      Effect.gen(function* () {
        const { connection, url } = yield* server
        const { open } = yield* profile
        const page = yield* open(yield* BarePage)
        const cases = [
          { code: 4711, reason: "as asked", arrives: { code: 4711, reason: "as asked" } },
          { code: 1000, reason: "", arrives: { code: 1000, reason: "" } },
          { code: 1011, reason: "as asked", arrives: { code: 1000, reason: "1011: as asked" } }
        ]
        for (const { arrives, ...said } of cases) {
          const dialled = inPage(page, (url) => window.plain.dial(url), url)
          const [webSocket] = yield* Effect.all([connection, dialled], { concurrency: 2 })
          const close = ({ code, reason }: typeof said) => window.plain.close(code, reason)
          const [seen] = yield* Effect.all([closeOf(webSocket), inPage(page, close, said)], { concurrency: 2 })
          assert.deepStrictEqual(seen, arrives)
        }
      })
    )

    it.scoped("ends as refused, in words, where nobody listens", () =>
      Effect.gen(function* () {
        const { open } = yield* profile
        const page = yield* open(yield* BarePage)
        const dial = (url: string) => window.plain.dial(url).then(() => "dialled", String)
        const said = yield* inPage(page, dial, `ws://127.0.0.1:${yield* freePort}/`)
        assert.match(said, /DialFailed.*the browser does not tell a page why/)
      })
    )
  })
})
