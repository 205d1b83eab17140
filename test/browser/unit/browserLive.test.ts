/** The page's transport with a WebSocket that is real, against a gateway that is. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope, Stream } from "effect"
import { Client, Codec, Dialer, Reconnect } from "holdfast"
import { BrowserDialer } from "holdfast/browser"
import { WebSocket as WsWebSocket } from "ws"
import { eventually, makeGateway, numbers, upTo } from "../../node/support.js"

/** An EventEmitter throws an error that nobody listens to; a WebSocket of a browser's does not. */
class QuietWebSocket extends WsWebSocket {
  static made: Array<QuietWebSocket> = []
  constructor(url: string, protocols: Array<string>) {
    super(url, protocols)
    this.on("error", () => {})
    QuietWebSocket.made.push(this)
  }
}

const dialer = BrowserDialer.make(QuietWebSocket as unknown as BrowserDialer.WebSocketConstructor) // as WHATWG has it, as far as it is used

const makeClient = (port: number, options?: Partial<Client.ClientOptions<number, number>>) =>
  Effect.provideService(
    Client.make<number, number>({
      url: `ws://127.0.0.1:${port}/`,
      messages: numbers,
      reconnect: Reconnect.exponential({ base: "5 millis", max: "50 millis" }),
      ...options
    }),
    Dialer.Dialer,
    dialer
  )

describe("A client with the page's transport", () => {
  for (const codec of ["json", "msgpack"] as const) {
    it.scopedLive(`(${codec}) carries messages both ways in order, through connections that break`, () =>
      Effect.gen(function* () {
        QuietWebSocket.made = []
        const handled: Array<number> = []
        const { port } = yield* makeGateway({
          onMessage: (message, session) =>
            Effect.zipRight(
              Effect.sync(() => void handled.push(message)),
              session.send(message)
            )
        })
        const client = yield* makeClient(port, { codec: Codec[codec] })
        const seen: Array<number> = []
        yield* Effect.forkScoped(
          Stream.runForEach(client.messages, (message) => Effect.sync(() => void seen.push(message)))
        )
        for (const n of upTo(300)) {
          yield* client.send(n)
          if (n % 100 === 50) {
            yield* client.ready
            QuietWebSocket.made.at(-1)?.terminate()
          }
        }
        yield* eventually(
          "all is echoed",
          Effect.sync(() => seen.length >= 300)
        )
        assert.deepStrictEqual([handled, seen], [upTo(300), upTo(300)])
        assert.isAbove(QuietWebSocket.made.length, 1)
        for (const old of QuietWebSocket.made.slice(0, -1)) {
          for (const type of ["open", "message", "close"]) assert.lengthOf(old.listeners(type), 0, type)
        }
      })
    )
  }

  it.scopedLive("is kept alive by heartbeats that are messages, and each end finds the other dead without them", () =>
    Effect.gen(function* () {
      QuietWebSocket.made = []
      const timing = { heartbeatInterval: 40, readDeadline: 200 }
      const { gateway, port } = yield* makeGateway(timing)
      const client = yield* makeClient(port, timing)
      yield* client.ready
      yield* Effect.sleep(600)
      const { connection } = yield* client.stats
      assert.isDefined(connection?.roundTrip)
      assert.lengthOf(QuietWebSocket.made, 1)
      const paused = QuietWebSocket.made[0]
      paused?.pause()
      yield* eventually(
        "the client dials again",
        Effect.sync(() => QuietWebSocket.made.length > 1)
      )
      yield* eventually(
        "it is Ready",
        Effect.map(client.status, (status) => status._tag === "Ready" && status.generation > 1)
      )
      yield* eventually(
        "one connection is left",
        Effect.map(gateway.stats, ({ connections }) => connections === 1)
      )
      paused?.terminate()
    })
  )

  it.scopedLive("says bye, and is closed by the gateway", () =>
    Effect.gen(function* () {
      QuietWebSocket.made = []
      const ends: Array<string> = []
      const { port } = yield* makeGateway({ onClose: (_, end) => Effect.sync(() => void ends.push(end._tag)) })
      const scope = yield* Scope.make()
      const client = yield* Scope.extend(makeClient(port), scope)
      yield* client.ready
      yield* Scope.close(scope, Exit.void)
      yield* eventually(
        "the session ends",
        Effect.sync(() => ends.length === 1)
      )
      assert.deepStrictEqual(ends, ["Bye"])
      yield* eventually(
        "the socket is closed",
        Effect.sync(() => QuietWebSocket.made[0]?.readyState === WsWebSocket.CLOSED)
      )
    })
  )

  it.scopedLive("that is refused by whoever listens tries again, and leaves no socket", () =>
    Effect.gen(function* () {
      QuietWebSocket.made = []
      const { port } = yield* makeGateway()
      const scope = yield* Scope.make()
      const client = yield* Scope.extend(makeClient(port, { url: `ws://127.0.0.1:1/` }), scope)
      yield* eventually(
        "three attempts",
        Effect.sync(() => QuietWebSocket.made.length >= 3)
      )
      const status = yield* client.status
      assert.include(["Waiting", "Connecting"], status._tag)
      yield* Scope.close(scope, Exit.void)
      yield* eventually(
        "all are closed",
        Effect.sync(() => QuietWebSocket.made.every(({ readyState }) => readyState === WsWebSocket.CLOSED))
      )
    })
  )
})
