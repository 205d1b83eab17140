/** The way to a server: through a proxy, by an agent, from an address; and options that would have no effect. */
import * as Http from "node:http"
import * as Net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Connection, Gateway, Messages, SessionStore } from "holdfast"
import { NodeDialer, NodeListener } from "holdfast/node"
import { limit } from "../support/patience.js"
import * as certificates from "./certificates.js"

/** Of a gateway that listens so. */
const address = (options?: Partial<NodeListener.ListenOptions>) =>
  Effect.flatMap(
    Layer.build(Layer.merge(NodeListener.layer({ port: 0, ...options }), SessionStore.layerMemory())),
    (context) =>
      Gateway.make({ messages: Messages.json, authenticate: Gateway.anonymous, onMessage: () => Effect.void }).pipe(
        Effect.map(({ address }) => address),
        Effect.provide(context)
      )
  )

/** A proxy that tunnels (`CONNECT`), and whom it was asked for. */
const proxy = Effect.gen(function* () {
  const asked: Array<string> = []
  const server = Http.createServer((_, response) => response.writeHead(405).end())
  server.on("connect", ({ url = "" }: Http.IncomingMessage, near: Net.Socket) => {
    asked.push(url)
    const [host, port] = url.split(":")
    const far = Net.connect(Number(port), host, () => {
      near.write("HTTP/1.1 200 Connection Established\r\n\r\n")
      near.pipe(far).pipe(near)
    })
    const ends = [near, far]
    for (const socket of ends) {
      socket.on("error", () => {})
      socket.on("close", () => {
        for (const end of ends) end.destroy()
      })
    }
  })
  yield* Effect.acquireRelease(
    Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () => Effect.sync(() => server.close())
  )
  return { asked, url: `http://127.0.0.1:${(server.address() as Net.AddressInfo).port}` }
})

const dialled = (url: string, options: NodeDialer.DialerOptions) =>
  Effect.scoped(Connection.dial(url, { protocols: ["holdfast.v1.json"] })).pipe(
    Effect.as("open"),
    Effect.provide(NodeDialer.layerWith(options))
  )

/** Runs with these variables of the environment alone that are about proxies. */
const withEnvironment =
  (variables: Readonly<Record<string, string>>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const names = Object.keys(process.env).filter((name) => /_proxy$/i.test(name))
        const before = names.map((name) => [name, process.env[name]] as const)
        for (const name of names) delete process.env[name]
        Object.assign(process.env, variables)
        return before
      }),
      () => effect,
      (before) =>
        Effect.sync(() => {
          for (const name of Object.keys(variables)) delete process.env[name]
          Object.assign(process.env, Object.fromEntries(before))
        })
    )

describe("NodeDialer.layerWith", () => {
  it.scopedLive(
    "reaches a server through a proxy, with TLS and without",
    () =>
      Effect.gen(function* () {
        const { asked, url } = yield* proxy
        const plain = yield* address()
        const secure = yield* address({ tls: certificates.server })
        assert.strictEqual(yield* dialled(plain, { proxy: url }), "open")
        assert.strictEqual(yield* dialled(secure, { proxy: url, ca: certificates.authority }), "open")
        assert.deepStrictEqual(asked, [new URL(plain).host, new URL(secure).host])
      }),
    limit
  )

  it.scopedLive(
    "goes by the environment where it is told to, and by nothing else",
    () =>
      Effect.gen(function* () {
        const { asked, url } = yield* proxy
        const plain = yield* address()
        const secure = yield* address({ tls: certificates.server })
        const ca = certificates.authority
        const environment = { proxy: "environment" }
        yield* Effect.gen(function* () {
          yield* dialled(secure, { ca })
          assert.deepStrictEqual(asked, [])
          yield* dialled(plain, environment)
          assert.deepStrictEqual(asked, [], "HTTPS_PROXY is of wss: alone")
          yield* dialled(secure, { ca, ...environment })
          assert.deepStrictEqual(asked, [new URL(secure).host])
        }).pipe(withEnvironment({ HTTPS_PROXY: url }))
        yield* dialled(secure, { ca, ...environment }).pipe(
          withEnvironment({ HTTPS_PROXY: url, NO_PROXY: "127.0.0.1" })
        )
        assert.strictEqual(asked.length, 1)
        yield* dialled(plain, environment).pipe(withEnvironment({ http_proxy: url }))
        assert.strictEqual(asked.length, 2)
      }),
    limit
  )

  it.scopedLive(
    "dials by an agent, and from an address",
    () =>
      Effect.gen(function* () {
        const url = yield* address({ host: "0.0.0.0" })
        let made = 0
        const agent = new Http.Agent()
        const { createConnection } = agent
        agent.createConnection = (...args) => {
          made++
          return Reflect.apply(createConnection, agent, args)
        }
        assert.strictEqual(yield* dialled(url, { agent }), "open")
        assert.strictEqual(made, 1)
        assert.strictEqual(yield* dialled(url, { localAddress: "127.0.0.2" }), "open")
      }),
    limit
  )

  const agent = new Http.Agent()
  const { cert, key } = certificates.client
  const refused: ReadonlyArray<readonly [option: string, options: NodeDialer.DialerOptions]> = [
    ["localAddress", { agent, localAddress: "127.0.0.1" }],
    ["proxy", { agent, proxy: "environment" }],
    ["localAddress", { localAddress: "localhost" }],
    ["proxy", { proxy: "127.0.0.1:8080" }],
    ["proxy", { proxy: "socks5://127.0.0.1:8080" }],
    ["cert", { cert }],
    ["key", { key }],
    ["passphrase", { passphrase: "secret" }],
    ["ca", { ca: "no certificate" }],
    ["cert", { cert, key: certificates.server.key }]
  ]
  for (const [option, options] of refused) {
    it.scopedLive(`refuses ${Object.keys(options).join(" and ")} that break a rule, or have no effect: ${option}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Layer.build(NodeDialer.layerWith(options)))
        assert.deepInclude(error, { _tag: "InvalidOption", option })
        assert.notInclude(String(error), "secret")
      })
    )
  }

  it.scopedLive("fails an attempt at a URL of ws: with certificates, which would have no effect", () =>
    Effect.gen(function* () {
      const url = yield* address()
      const error = yield* Effect.flip(dialled(url, { ca: certificates.authority }))
      assert.match(String(error), /DialFailed.*ca: of no effect without TLS/)
    })
  )
})
