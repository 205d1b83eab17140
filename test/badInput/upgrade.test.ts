/** What is no upgrade, or the wrong one: an HTTP status with a body in words. */
import * as http from "node:http"
import * as net from "node:net"
import { HttpRouter, HttpServer, HttpServerResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { ConnectionError, Gateway, SessionStore } from "holdfast"
import { NodeListener } from "holdfast/node"
import { connect, echo, makeBystander, makeGateway, settled, soon, unharmed, until } from "./support.js"

interface Answer {
  readonly status: number
  readonly body: string
  readonly headers: http.IncomingHttpHeaders
}

interface Request {
  readonly method?: string
  readonly path?: string
  readonly headers?: Record<string, string>
}

/** Sends one request on a connection of its own; an accepted upgrade is answer 101. */
const request = (address: string, { headers = {}, method = "GET", path }: Request): Effect.Effect<Answer> =>
  soon(
    "an HTTP answer",
    Effect.async((resume) => {
      const { hostname, pathname, port } = new URL(address)
      const sent = http.request({ hostname, port, path: path ?? pathname, method, headers, agent: false })
      sent.on("response", (response) => {
        let body = ""
        response.on("data", (chunk) => {
          body += chunk
        })
        response.on("end", () =>
          resume(Effect.succeed({ status: response.statusCode ?? 0, body: body.trim(), headers: response.headers }))
        )
      })
      sent.on("upgrade", (response, socket) => {
        socket.destroy()
        resume(Effect.succeed({ status: 101, body: "", headers: response.headers }))
      })
      sent.on("error", (error) => resume(Effect.die(error)))
      sent.end()
      return Effect.sync(() => sent.destroy())
    })
  )

const upgrade = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  "sec-websocket-protocol": "holdfast.v1.json"
}
const without = (header: keyof typeof upgrade): Record<string, string> => {
  const { [header]: _, ...rest } = upgrade
  return rest
}

interface Case extends Request {
  readonly name: string
  readonly status: number
  readonly body: RegExp
  readonly answers?: Record<string, string>
}

const cases: ReadonlyArray<Case> = [
  { name: "a plain GET", status: 426, body: /WebSocket endpoint/, answers: { upgrade: "websocket" } },
  { name: "a plain GET with a query", path: "/?a=b", status: 426, body: /WebSocket endpoint/ },
  { name: "a plain POST", method: "POST", status: 426, body: /WebSocket endpoint/ },
  { name: "a GET of another path", path: "/nowhere", status: 404, body: /the gateway is at \/$/ },
  {
    name: "an upgrade of another path",
    path: "/nowhere",
    headers: upgrade,
    status: 404,
    body: /the gateway is at \/$/
  },
  {
    name: "an upgrade by POST",
    method: "POST",
    headers: upgrade,
    status: 405,
    body: /GET, not POST/,
    answers: { allow: "GET" }
  },
  {
    name: "an upgrade to something else",
    headers: { ...upgrade, upgrade: "h2c" },
    status: 426,
    body: /Upgrade: websocket/
  },
  {
    name: "no subprotocol",
    headers: without("sec-websocket-protocol"),
    status: 400,
    body: /offer holdfast\.v1\.json or holdfast\.v1\.msgpack \(none was offered\)/
  },
  {
    name: "an unknown subprotocol",
    headers: { ...upgrade, "sec-websocket-protocol": "mqtt, graphql-ws" },
    status: 400,
    body: /only mqtt, graphql-ws was offered/
  },
  {
    name: "a newer version of the subprotocol alone",
    headers: { ...upgrade, "sec-websocket-protocol": "holdfast.v2.json" },
    status: 400,
    body: /no known subprotocol/
  },
  {
    name: "a subprotocol twice",
    headers: { ...upgrade, "sec-websocket-protocol": "holdfast.v1.json, holdfast.v1.json" },
    status: 400,
    body: /Sec-WebSocket-Protocol/
  },
  {
    name: "a subprotocol beside one that is no token",
    headers: { ...upgrade, "sec-websocket-protocol": "holdfast.v1.json, b@d" },
    status: 400,
    body: /Sec-WebSocket-Protocol/
  },
  { name: "no key", headers: without("sec-websocket-key"), status: 400, body: /Sec-WebSocket-Key/ },
  {
    name: "a short key",
    headers: { ...upgrade, "sec-websocket-key": "c2hvcnQ=" },
    status: 400,
    body: /16 bytes in base64/
  },
  {
    name: "no version",
    headers: without("sec-websocket-version"),
    status: 426,
    body: /version 13/,
    answers: { "sec-websocket-version": "13" }
  },
  { name: "version 8", headers: { ...upgrade, "sec-websocket-version": "8" }, status: 426, body: /version 13/ },
  {
    name: "a page of another origin",
    headers: { ...upgrade, origin: "https://evil.example" },
    status: 403,
    body: /https:\/\/evil\.example may not connect/
  },
  {
    name: "a page without an origin of its own",
    headers: { ...upgrade, origin: "null" },
    status: 403,
    body: /null may not/
  },
  {
    name: "what authorizeUpgrade refuses",
    headers: { ...upgrade, "x-ticket": "used" },
    status: 401,
    body: /^no ticket$/
  },
  {
    name: "what authorizeUpgrade dies of",
    headers: { ...upgrade, "x-ticket": "bug" },
    status: 500,
    body: /failed to look/
  }
]

const strict = {
  origins: ["https://good.example"],
  authorizeUpgrade: ({ headers }: { readonly headers: Readonly<Record<string, unknown>> }) =>
    headers["x-ticket"] === "bug"
      ? Effect.dieMessage("a bug in the application")
      : headers["x-ticket"] === "used"
        ? Effect.fail(new ConnectionError.UpgradeRefused({ status: 401, body: "no ticket" }))
        : Effect.void
}

describe("the upgrade", () => {
  for (const { answers, body, name, status, ...asked } of cases) {
    it.scopedLive(`${name}: ${status} in words`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway(strict)
        const bystander = yield* makeBystander(gateway)
        const answer = yield* request(gateway.address, asked)
        assert.strictEqual(answer.status, status)
        assert.match(answer.body, body)
        assert.match(answer.headers["content-type"] ?? "text/plain", /^text\//)
        for (const [header, value] of Object.entries(answers ?? {})) assert.strictEqual(answer.headers[header], value)
        yield* unharmed(gateway, bystander)
      })
    )
  }

  for (const headers of [{}, { origin: "https://good.example" }]) {
    it.scopedLive(`is accepted with ${JSON.stringify(headers)}, in the client's order of preference`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway(strict)
        const offered = "mqtt, holdfast.v1.msgpack, holdfast.v1.json"
        const answer = yield* request(gateway.address, {
          headers: { ...upgrade, ...headers, "sec-websocket-protocol": offered }
        })
        assert.strictEqual(answer.status, 101)
        assert.strictEqual(answer.headers["sec-websocket-protocol"], "holdfast.v1.msgpack")
        yield* settled(gateway, { connections: 0, sessions: 0 })
      })
    )
  }

  it.scopedLive("bytes that are no HTTP: 400, and the server goes on", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const bystander = yield* makeBystander(gateway)
      const { hostname, port } = new URL(gateway.address)
      const answer = yield* soon(
        "an answer to garbage",
        Effect.async<string>((resume) => {
          const socket = net.connect(Number(port), hostname, () =>
            socket.write("\x16\x03\x01 this is not HTTP\r\n\r\n")
          )
          let received = ""
          socket.on("data", (chunk) => {
            received += chunk
          })
          socket.on("close", () => resume(Effect.succeed(received)))
        })
      )
      assert.match(answer, /^HTTP\/1\.1 400 /)
      yield* unharmed(gateway, bystander)
    })
  )

  describe("while authorizeUpgrade does not answer", () => {
    /** A gateway whose scope is the test's to close, and an upgrade that it looks at. */
    const stuck = (helloTimeout: "100 millis" | "1 hour") =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const looking = yield* Deferred.make<void>()
        const authorizeUpgrade = () => Effect.zipRight(Deferred.succeed(looking, undefined), Effect.never)
        const gateway = yield* Scope.extend(makeGateway({ authorizeUpgrade, helloTimeout }), scope)
        const asking = yield* Effect.fork(request(gateway.address, { headers: upgrade }))
        yield* soon("the upgrade to be looked at", Deferred.await(looking))
        return { asking, close: Effect.disconnect(Scope.close(scope, Exit.void)) }
      })

    it.live("the wait is bounded by helloTimeout, and the answer is in words", () =>
      Effect.gen(function* () {
        const { asking, close } = yield* stuck("100 millis")
        const answer = yield* Fiber.join(asking)
        assert.isAtLeast(answer.status, 500)
        assert.isNotEmpty(answer.body)
        yield* soon("the gateway to close", close)
      })
    )

    it.live("the gateway closes all the same", () =>
      Effect.gen(function* () {
        const { asking, close } = yield* stuck("1 hour")
        yield* soon("the gateway to close", close)
        yield* Fiber.interrupt(asking)
      })
    )
  })
})

describe("a gateway that has enough connections", () => {
  const limits = [
    { option: "maxConnections", status: 503, body: "this gateway holds 2 connections already" },
    { option: "maxConnectionsPerAddress", status: 429, body: "there are 2 connections from this address already" }
  ] as const
  for (const { body, option, status } of limits) {
    it.scopedLive(`one more than ${option}: ${status} with Retry-After, and room when one has gone`, () =>
      Effect.gen(function* () {
        const gateway = yield* makeGateway({ [option]: 2 })
        const bystander = yield* makeBystander(gateway)
        const silent = yield* connect(gateway.address)
        const answer = yield* request(gateway.address, { headers: upgrade })
        assert.deepStrictEqual([answer.status, answer.body], [status, body])
        assert.strictEqual(answer.headers["retry-after"], "5")
        // What was refused is not counted: one that leaves makes room for one.
        silent.ws.terminate()
        yield* settled(gateway, { connections: 1, sessions: 1 })
        yield* until("room", request(gateway.address, { headers: upgrade }), (answer) => answer.status === 101)
        yield* unharmed(gateway, bystander)
      })
    )
  }
})

describe("a port shared with the platform's routes", () => {
  let held = 0
  const routes = HttpRouter.empty.pipe(
    HttpRouter.get("/healthz", HttpServerResponse.text("fine")),
    HttpRouter.get("/gateway", HttpServerResponse.text("the page")),
    HttpRouter.get("/gateway/below", HttpServerResponse.text("below")),
    // As the platform runs what is mounted: it answers, whether anybody is there still or not.
    HttpRouter.get(
      "/held",
      Effect.uninterruptible(
        Effect.suspend(() => {
          held++
          return Effect.delay(HttpServerResponse.text("held"), "200 millis")
        })
      )
    ),
    HttpRouter.get("/later", Effect.delay(HttpServerResponse.text("later"), "200 millis"))
  )

  const shared = Effect.gen(function* () {
    const listener = NodeListener.layerHttp({ port: 0, path: "/gateway" })
    const context = yield* Layer.build(
      Layer.provideMerge(HttpServer.serve(routes), Layer.merge(listener, SessionStore.layerMemory()))
    )
    return yield* Effect.provide(Gateway.make(echo), context)
  })

  const table: ReadonlyArray<Case> = [
    { name: "another route answers", path: "/healthz", status: 200, body: /^fine$/ },
    { name: "a route below the gateway's path answers", path: "/gateway/below", status: 200, body: /^below$/ },
    { name: "an unknown route is the router's 404", path: "/nowhere", status: 404, body: /^$/ },
    { name: "a plain GET of the gateway's path is the router's to answer", status: 200, body: /^the page$/ },
    { name: "one with a query, too", path: "/gateway?a=b", status: 200, body: /^the page$/ },
    { name: "a plain POST of the gateway's path is the router's 404", method: "POST", status: 404, body: /^$/ },
    {
      name: "an upgrade of the gateway's path to something else",
      headers: { ...upgrade, upgrade: "h2c" },
      status: 426,
      body: /Upgrade: websocket/
    },
    {
      name: "an upgrade of another route is the router's to answer",
      path: "/healthz",
      headers: upgrade,
      status: 200,
      body: /^fine$/
    },
    { name: "an upgrade of no route is the router's 404", path: "/nowhere", headers: upgrade, status: 404, body: /^$/ },
    { name: "an upgrade of the gateway", headers: upgrade, status: 101, body: /^$/ },
    { name: "an upgrade of the gateway with a query", path: "/gateway?a=b", headers: upgrade, status: 101, body: /^$/ }
  ]

  for (const { body, name, status, ...asked } of table) {
    it.scopedLive(`${name} (${status})`, () =>
      Effect.gen(function* () {
        const gateway = yield* shared
        const bystander = yield* makeBystander(gateway)
        const answer = yield* request(gateway.address, asked)
        assert.strictEqual(answer.status, status)
        assert.match(answer.body, body)
        yield* unharmed(gateway, bystander)
      })
    )
  }

  /** What would have ended the process. */
  const uncaught = Effect.acquireRelease(
    Effect.sync(() => {
      const errors: Array<unknown> = []
      const others = process.listeners("uncaughtException")
      process.removeAllListeners("uncaughtException")
      process.on("uncaughtException", (error) => errors.push(error))
      return { errors, others }
    }),
    ({ others }) =>
      Effect.sync(() => {
        process.removeAllListeners("uncaughtException")
        for (const other of others) process.on("uncaughtException", other)
      })
  ).pipe(Effect.map(({ errors }) => errors))

  const upgradeOf = (path: string): string => {
    const headers = Object.entries({ host: "a", ...upgrade }).map(([name, value]) => `${name}: ${value}`)
    return [`GET ${path} HTTP/1.1`, ...headers, "", ""].join("\r\n")
  }

  it.scopedLive("peers that reset while another route answers their upgrade harm nobody", () =>
    Effect.gen(function* () {
      const gateway = yield* shared
      const bystander = yield* makeBystander(gateway)
      const errors = yield* uncaught
      const port = Number(new URL(gateway.address).port)
      for (let at = 0; at < 20; at++) {
        const socket = net.connect(port, "127.0.0.1", () =>
          socket.write(upgradeOf("/healthz"), () => socket.resetAndDestroy())
        )
        socket.on("error", () => {})
        yield* Effect.async<void>((resume) => void socket.once("close", () => resume(Effect.void)))
      }
      yield* unharmed(gateway, bystander)
      assert.deepStrictEqual(errors, [])
    })
  )

  for (const path of ["/gateway", "/healthz"]) {
    it.scopedLive(`an upgrade of ${path} before the request ahead of it is answered is the connection's end`, () =>
      Effect.gen(function* () {
        const gateway = yield* shared
        const ahead = "GET /later HTTP/1.1\r\nhost: a\r\n\r\n"
        const port = Number(new URL(gateway.address).port)
        const heard = yield* soon(
          "the connection's end",
          Effect.async<string>((resume) => {
            let text = ""
            const socket = net.connect(port, "127.0.0.1", () => socket.write(ahead + upgradeOf(path)))
            socket.on("data", (chunk) => {
              text += chunk
            })
            socket.on("error", () => {})
            socket.on("close", () => resume(Effect.succeed(text)))
            return Effect.sync(() => socket.destroy())
          })
        )
        assert.strictEqual(heard, "")
        // Once it is answered, the connection may be upgraded.
        const answered = yield* Effect.async<string>((resume) => {
          const socket = net.connect(port, "127.0.0.1", () => socket.write(ahead))
          socket.once("data", () => {
            socket.write(upgradeOf(path))
            socket.once("data", (chunk) => {
              socket.destroy()
              resume(Effect.succeed(String(chunk)))
            })
          })
        })
        assert.match(answered, path === "/gateway" ? /^HTTP\/1\.1 101/ : /^HTTP\/1\.1 200/)
      })
    )
  }

  for (const method of ["GET", "HEAD"]) {
    it.live(`peers that reset while another route answers their upgrades (${method}) do not hold up the end`, () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const gateway = yield* Scope.extend(shared, scope)
        const port = Number(new URL(gateway.address).port)
        const before = held
        const sockets = Array.from({ length: 10 }, () => {
          const socket = net.connect(port, "127.0.0.1", () => socket.write(upgradeOf("/held").replace("GET", method)))
          return socket.on("error", () => {})
        })
        yield* until(
          "all are being answered",
          Effect.sync(() => held),
          (count) => count === before + 10
        )
        for (const socket of sockets) socket.resetAndDestroy()
        // One that comes later is answered after all of them.
        yield* request(gateway.address, { path: "/held" })
        yield* soon("the server's close", Effect.disconnect(Scope.close(scope, Exit.void)))
      })
    )
  }

  it.live("a peer that never lets go of an upgrade that another route has answered does not hold up the end", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const gateway = yield* Scope.extend(shared, scope)
      const port = Number(new URL(gateway.address).port)
      const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true }, () =>
        socket.write(upgradeOf("/healthz"))
      )
      socket.on("error", () => {})
      yield* Effect.async<void>((resume) => void socket.once("data", () => resume(Effect.void)))
      yield* soon("the server's close", Effect.disconnect(Scope.close(scope, Exit.void)))
      socket.destroy()
    })
  )
})

describe("a port whose routes nobody serves yet", () => {
  it.scopedLive("a plain GET of the gateway's path: 426, as with a Listener alone", () =>
    Effect.gen(function* () {
      const listener = NodeListener.layerHttp({ port: 0, path: "/gateway" })
      const context = yield* Layer.build(Layer.merge(listener, SessionStore.layerMemory()))
      const gateway = yield* Effect.provide(Gateway.make(echo), context)
      const answer = yield* request(gateway.address, {})
      assert.strictEqual(answer.status, 426)
      assert.match(answer.body, /WebSocket endpoint/)
    })
  )
})

describe("a port that cannot be had", () => {
  const building = (port: number, host?: string) =>
    Effect.flip(Layer.build(NodeListener.layer({ port, host }))).pipe(Effect.map((error) => error.message))

  it.scopedLive("in use: ListenFailed says so in one line", () =>
    Effect.gen(function* () {
      const gateway = yield* makeGateway()
      const bystander = yield* makeBystander(gateway)
      const port = Number(new URL(gateway.address).port)
      const error = yield* Effect.flip(Layer.build(NodeListener.layer({ port })))
      assert.instanceOf(error, ConnectionError.ListenFailed)
      assert.strictEqual(
        error.message,
        `cannot listen on 127.0.0.1:${port}: the port is in use; stop the other program or choose another port`
      )
      yield* unharmed(gateway, bystander)
    })
  )

  it.scopedLive("a host that this machine has not: ListenFailed names it", () =>
    Effect.gen(function* () {
      assert.match(yield* building(0, "192.0.2.1"), /^cannot listen on 192\.0\.2\.1:0: .*EADDRNOTAVAIL/)
    })
  )

  for (const port of [-1, 65_536, 1.5, Number.NaN]) {
    it.scopedLive(`${port} is no port: a typed failure that names it`, () =>
      Effect.gen(function* () {
        assert.include(yield* building(port), String(port))
      })
    )
  }

  it.scopedLive("a second gateway on one listener: ListenFailed says so", () =>
    Effect.gen(function* () {
      const context = yield* Layer.build(Layer.merge(NodeListener.layer({ port: 0 }), SessionStore.layerMemory()))
      const first = yield* Effect.provide(Gateway.make(echo), context)
      const error = yield* Effect.flip(Effect.provide(Effect.scoped(Gateway.make(echo)), context))
      assert.match(error.message, /a gateway listens on this path already/)
      const peer = yield* connect(first.address)
      yield* peer.hello()
      yield* peer.echoes
    })
  )
})
