/** Where gateways listen: on paths of one port, with TLS, on a server of the application's. */
import * as Http from "node:http"
import * as Https from "node:https"
import type { AddressInfo } from "node:net"
import type { Duplex } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Scope } from "effect"
import { Client, Gateway, Messages, type Session, SessionStore } from "holdfast"
import { NodeDialer, NodeListener } from "holdfast/node"
import { WebSocket, WebSocketServer } from "ws"
import { eventually, limit } from "../support/patience.js"
import * as certificates from "./certificates.js"

class Chat extends Gateway.Tag<Chat>()("test/Chat", Messages.json) {}
class Feed extends Gateway.Tag<Feed>()("test/Feed", Messages.json) {}

/** Answers with its own name. */
const options = (name: string) => ({
  authenticate: Gateway.anonymous,
  onMessage: (_: unknown, session: Session.Session<unknown>) => session.send(name)
})
const ChatLive = Gateway.layer(Chat, options("chat")).pipe(Layer.provide(SessionStore.layerMemory()))
const FeedLive = Gateway.layer(Feed, options("feed")).pipe(Layer.provide(SessionStore.layerMemory()))

/** The two gateways, each on its path. */
const both = Layer.merge(
  ChatLive.pipe(Layer.provide(NodeListener.layerPath("/chat"))),
  FeedLive.pipe(Layer.provide(NodeListener.layerPath("/feed")))
)

/** The first answer of whom the client reaches there. */
const answerOf = (url: string, dialer: NodeDialer.DialerOptions = {}) =>
  Effect.gen(function* () {
    const client = yield* Client.make({ url, messages: Messages.json })
    yield* client.send("who are you?")
    const answer = yield* Effect.async<unknown>((resume) =>
      Effect.runFork(client.runForEach((message) => Effect.sync(() => resume(Effect.succeed(message)))))
    )
    yield* client.close
    return answer
  }).pipe(Effect.scoped, Effect.provide(NodeDialer.layerWith(dialer)))

/** Closed by the test, or after it. */
const ownScope = Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))

const got = (url: string, init?: Https.RequestOptions) =>
  Effect.async<readonly [status: number, body: string]>((resume) => {
    const get = url.startsWith("https:") ? Https.get : Http.get
    get(url, { agent: false, ...init }, (response) => {
      let body = ""
      response.setEncoding("utf8")
      response.on("data", (chunk) => {
        body += chunk
      })
      response.on("end", () => resume(Effect.succeed([response.statusCode ?? 0, body])))
    })
  })

const listening = <S extends Http.Server | Https.Server>(server: S) =>
  Effect.acquireRelease(
    Effect.async<S>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))),
    () =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )

const portOf = (server: Http.Server | Https.Server): number => (server.address() as AddressInfo).port // it listens

/** What somebody else's WebSocket server says at once. */
const greeting = (url: string) =>
  Effect.async<string>((resume) => {
    const socket = new WebSocket(url)
    socket.on("message", (data) => {
      socket.terminate()
      resume(Effect.succeed(String(data)))
    })
    socket.on("unexpected-response", (_, response) => resume(Effect.succeed(`HTTP ${response.statusCode}`)))
    socket.on("error", (error) => resume(Effect.succeed(error.message)))
  })

describe("Two gateways on one port", () => {
  it.scopedLive(
    "have the upgrades of their own paths, and nobody has any other",
    () =>
      Effect.gen(function* () {
        const context = yield* Layer.build(both.pipe(Layer.provide(NodeListener.layerServer({ port: 0 }))))
        const [chat, feed] = yield* Effect.all([Chat, Feed]).pipe(Effect.provide(context))
        assert.strictEqual(new URL(chat.address).port, new URL(feed.address).port)
        assert.strictEqual(yield* answerOf(chat.address), "chat")
        assert.strictEqual(yield* answerOf(feed.address), "feed")
        const base = chat.address.replace("/chat", "").replace("ws:", "http:")
        assert.deepStrictEqual(yield* got(`${base}/other`), [
          404,
          "nothing is here; the gateway is at /chat and /feed\n"
        ])
        assert.strictEqual((yield* got(`${base}/feed`))[0], 426)
        assert.strictEqual(yield* greeting(`${base.replace("http:", "ws:")}/other`), "HTTP 404")
      }),
    limit
  )

  it.scopedLive(
    "cannot have the same path; one that ended makes room, and leaves the other alone",
    () =>
      Effect.gen(function* () {
        const server = yield* Layer.build(NodeListener.layerServer({ port: 0 }))
        const on = (path: string) => Layer.provide(NodeListener.layerPath(path))
        const first = yield* ownScope
        const chat = ChatLive.pipe(on("/a"), Layer.build, Scope.extend(first), Effect.provide(server))
        const { address } = yield* Effect.flatMap(chat, (context) => Effect.provide(Chat, context))
        const feed = FeedLive.pipe(on("/a"), Layer.build, Effect.provide(server))
        assert.match(String(yield* Effect.flip(feed)), /ListenFailed.*a gateway listens on this path already/)
        for (const path of ["a", "/a?b", "/a#b", ""]) {
          const failed = FeedLive.pipe(on(path), Layer.build, Effect.provide(server))
          assert.match(String(yield* Effect.flip(failed)), /a path starts with "\/"/)
        }
        yield* ChatLive.pipe(on("/b"), Layer.build, Effect.provide(server))
        yield* Scope.close(first, Exit.void)
        assert.strictEqual(yield* greeting(address), "HTTP 503")
        yield* feed
        assert.strictEqual(yield* answerOf(address), "feed")
        assert.strictEqual(yield* answerOf(address.replace("/a", "/b")), "chat")
      }),
    limit
  )
})

describe("A gateway with TLS", () => {
  const ca = certificates.authority

  it.scopedLive(
    "has a URL of wss:, which those reach who believe its authority",
    () =>
      Effect.gen(function* () {
        const listener = NodeListener.layer({ port: 0, tls: certificates.server })
        const { address } = yield* Effect.provide(Chat, yield* Layer.build(ChatLive.pipe(Layer.provide(listener))))
        assert.match(address, /^wss:\/\/127\.0\.0\.1:\d+\/$/)
        assert.strictEqual(yield* answerOf(address, { ca }), "chat")
        assert.match(yield* greeting(address), /certificate/)
      }),
    limit
  )

  it.scopedLive(
    "turns those away that show no certificate, where it asks for one",
    () =>
      Effect.gen(function* () {
        const listener = NodeListener.layer({ port: 0, tls: { ...certificates.server, clientCa: ca } })
        const { address } = yield* Effect.provide(Chat, yield* Layer.build(ChatLive.pipe(Layer.provide(listener))))
        assert.strictEqual(yield* answerOf(address, { ca, ...certificates.client }), "chat")
        const client = yield* Client.make({ url: address, messages: Messages.json }).pipe(
          Effect.provide(NodeDialer.layerWith({ ca }))
        )
        yield* eventually(
          "it is refused",
          Effect.map(client.status, (status) => status._tag === "Waiting" && status.reason._tag === "DialFailed")
        )
      }),
    limit
  )

  it.scopedLive("refuses a certificate that is none, or not the key's, by the option's name", () =>
    Effect.gen(function* () {
      const { cert, key } = certificates.server
      for (const tls of [
        { cert: "no", key },
        { cert, key: "no" },
        { cert, key: certificates.client.key }
      ]) {
        const error = yield* Effect.flip(Layer.build(NodeListener.layer({ port: 0, tls })))
        assert.deepInclude(error, { _tag: "InvalidOption", option: "tls" })
      }
    })
  )
})

describe("A server of the application's", () => {
  const servers = {
    "node:http": () => Http.createServer((_, response) => response.end("the application")),
    "node:https": () => Https.createServer(certificates.server, (_, response) => response.end("the application"))
  }
  for (const [name, make] of Object.entries(servers)) {
    it.scopedLive(
      `of ${name} keeps its requests and the upgrades of others, and is as it was when the gateways have gone`,
      () =>
        Effect.gen(function* () {
          const isSecure = name === "node:https"
          const ca = certificates.authority
          const dialer = isSecure ? { ca } : {}
          const server = yield* listening(make())
          const port = portOf(server)
          const before = server.listeners("upgrade").length
          const scope = yield* ownScope
          const Live = both.pipe(Layer.provide(NodeListener.layerServerOf(server)))
          const context = yield* Scope.extend(Layer.build(Live), scope)
          const [chat, feed] = yield* Effect.all([Chat, Feed]).pipe(Effect.provide(context))
          assert.strictEqual(chat.address, `${isSecure ? "wss" : "ws"}://127.0.0.1:${port}/chat`)
          assert.strictEqual(yield* answerOf(chat.address, dialer), "chat")
          assert.strictEqual(yield* answerOf(feed.address, dialer), "feed")
          const url = `${isSecure ? "https" : "http"}://127.0.0.1:${port}`
          assert.deepStrictEqual(yield* got(`${url}/any`, { ca }), [200, "the application"])
          assert.deepStrictEqual(yield* got(`${url}/chat`, { ca }), [200, "the application"])
          yield* Scope.close(scope, Exit.void)
          assert.strictEqual(server.listeners("upgrade").length, before)
          assert.isFalse(Object.hasOwn(server, "emit"))
          assert.deepStrictEqual(yield* got(`${url}/any`, { ca }), [200, "the application"])
        }),
      limit
    )
  }

  it.scopedLive(
    "leaves upgrades of other paths to whoever else listens for them, who never hears of the gateway's",
    () =>
      Effect.gen(function* () {
        const server = yield* listening(servers["node:http"]())
        const others = new WebSocketServer({ server })
        let heard = 0
        others.on("connection", (socket) => {
          heard++
          socket.send("somebody else")
        })
        yield* Effect.addFinalizer(() => Effect.sync(() => others.close()))
        const context = yield* Layer.build(both.pipe(Layer.provide(NodeListener.layerServerOf(server))))
        const { address } = yield* Effect.provide(Chat, context)
        assert.strictEqual(yield* answerOf(address), "chat")
        assert.strictEqual(yield* greeting(address.replace("/chat", "/other")), "somebody else")
        assert.strictEqual(heard, 1)
        // An upgrade that somebody else answered is left to them: the gateway's router listens to nothing of its socket.
        const mine = new Set(["error", "finish", "close"])
        const watched = yield* Effect.async<ReadonlyArray<number>>((resume) => {
          const count = (socket: Duplex) => [...mine].map((event) => socket.listenerCount(event))
          server.once("upgrade", (_, socket) => resume(Effect.succeed(count(socket))))
          Effect.runFork(greeting(address.replace("/chat", "/other")))
        })
        const plain = yield* listening(servers["node:http"]())
        const untouched = yield* Effect.async<ReadonlyArray<number>>((resume) => {
          const count = (socket: Duplex) => [...mine].map((event) => socket.listenerCount(event))
          const others = new WebSocketServer({ server: plain })
          others.on("connection", (socket) => socket.send("somebody else"))
          plain.once("upgrade", (_, socket) => resume(Effect.succeed(count(socket))))
          Effect.runFork(greeting(`ws://127.0.0.1:${portOf(plain)}/other`))
        })
        assert.deepStrictEqual(watched, untouched)
      }),
    limit
  )

  it.scopedLive("that does not listen, or has a `layerServerOf` already, is refused", () =>
    Effect.gen(function* () {
      const idle = Http.createServer()
      const early = yield* Effect.flip(Layer.build(NodeListener.layerServerOf(idle)))
      assert.match(String(early), /ListenFailed.*call its `listen` first/)
      const server = yield* listening(servers["node:http"]())
      yield* Layer.build(NodeListener.layerServerOf(server))
      const second = yield* Effect.flip(Layer.build(NodeListener.layerServerOf(server)))
      assert.match(String(second), /provide that one to each `layerPath`/)
    })
  )
})
