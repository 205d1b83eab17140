/** Headers too large, too late, too many, or a lie; and a peer that sends none. */
import * as net from "node:net"
import { networkInterfaces } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { ConnectionError, Gateway, type Listener, SessionStore } from "holdfast"
import { NodeListener } from "holdfast/node"
import * as httpLimits from "../../src/node/internal/httpLimits.js"
import { connect, echo, makeBystander, soon, unharmed } from "./support.js"

type ListenOptions = Omit<NodeListener.ListenOptions, "port">

/** A gateway that remembers who asked. */
const makeGateway = (options: ListenOptions = {}) =>
  Effect.gen(function* () {
    const asked: Array<Listener.UpgradeRequest> = []
    const listener = NodeListener.layer({ port: 0, ...options })
    const context = yield* Layer.build(Layer.merge(listener, SessionStore.layerMemory()))
    const authorizeUpgrade = (request: Listener.UpgradeRequest) => Effect.sync(() => void asked.push(request))
    const gateway = yield* Effect.provide(Gateway.make({ ...echo, authorizeUpgrade }), context)
    return { gateway, asked }
  })

interface Heard {
  readonly text: string
  /** Milliseconds from the connection's beginning to its end. */
  readonly after: number
}

/** A raw connection that does this, and what it hears until it ends, or is upgraded. */
const talk = (address: string, start: (socket: net.Socket) => void): Effect.Effect<Heard> =>
  soon(
    "the end of the connection",
    Effect.async((resume) => {
      const { hostname, port } = new URL(address)
      let text = ""
      const began = performance.now()
      const done = () => {
        socket.destroy()
        resume(Effect.succeed({ text, after: performance.now() - began }))
      }
      const socket = net.connect(Number(port), hostname.replace(/^\[|\]$/g, ""), () => start(socket))
      socket.on("data", (chunk) => {
        text += chunk
        if (text.startsWith("HTTP/1.1 101 ")) done()
      })
      socket.on("error", () => {}) // "close" follows
      socket.on("close", done)
      return Effect.sync(() => socket.destroy())
    })
  )

const target = "/?a=b"
const upgrade: ReadonlyArray<readonly [name: string, value: string]> = [
  ["host", "gateway.example"],
  ["connection", "Upgrade"],
  ["upgrade", "websocket"],
  ["sec-websocket-version", "13"],
  ["sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="],
  ["sec-websocket-protocol", "holdfast.v1.json"]
]

type Headers = ReadonlyArray<readonly [name: string, value: string]>

const requestOf = (headers: Headers): string =>
  [`GET ${target} HTTP/1.1`, ...headers.map(([name, value]) => `${name}: ${value}`), "", ""].join("\r\n")

/** What `maxHeaderSize` counts. */
const sizeOf = (headers: Headers): number =>
  headers.reduce((size, [name, value]) => size + name.length + value.length, target.length)

/** An upgrade request of just this size. */
const padded = (size: number): string =>
  requestOf([...upgrade, ["x", "v".repeat(size - sizeOf([...upgrade, ["x", ""]]))]])

const statusOf = ({ text }: Heard): string => text.slice("HTTP/1.1 ".length, "HTTP/1.1 101".length)

describe("maxHeaderSize", () => {
  for (const [name, options, limit] of [
    ["by default 16 KiB", {}, 16 * 1024],
    ["as given", { maxHeaderSize: 1000 }, 1000]
  ] as const) {
    it.scopedLive(`${name}: one byte below it passes, at it and above it is answered 431`, () =>
      Effect.gen(function* () {
        const { gateway } = yield* makeGateway(options)
        const bystander = yield* makeBystander(gateway)
        const ask = (size: number) =>
          Effect.map(
            talk(gateway.address, (socket) => socket.write(padded(size))),
            statusOf
          )
        assert.strictEqual(yield* ask(limit - 1), "101")
        assert.strictEqual(yield* ask(limit), "431")
        assert.strictEqual(yield* ask(limit + 1), "431")
        yield* unharmed(gateway, bystander)
      })
    )
  }

  it.scopedLive("a header without end is answered 431 before it ends", () =>
    Effect.gen(function* () {
      const { gateway } = yield* makeGateway()
      const bystander = yield* makeBystander(gateway)
      const heard = yield* talk(gateway.address, (socket) => {
        socket.write(`GET / HTTP/1.1\r\nhost: x\r\nx: ${"v".repeat(17 * 1024)}`)
      })
      assert.strictEqual(statusOf(heard), "431")
      assert.isBelow(heard.after, 2_000)
      yield* unharmed(gateway, bystander)
    })
  )
})

describe("headersTimeout", () => {
  const timeout = 400
  /** The check's interval, and what a busy machine adds. */
  const tolerance = timeout / 10 + 1_500

  const drip = (socket: net.Socket, text: string) => {
    const timer = setInterval(() => socket.write(text), 20)
    socket.on("close", () => clearInterval(timer))
  }
  const slow: Readonly<Record<string, (socket: net.Socket) => void>> = {
    "a peer that never sends a byte": () => {},
    "a request line that ends in the middle": (socket) => socket.write("GET / HT"),
    "headers that stop": (socket) => socket.write("GET / HTTP/1.1\r\nhost: x\r\n"),
    "headers that drip": (socket) => {
      socket.write("GET / HTTP/1.1\r\nhost: x\r\n")
      drip(socket, "a:b\r\n")
    },
    "a value of spaces that drip": (socket) => {
      socket.write("GET / HTTP/1.1\r\nhost: ")
      drip(socket, " ")
    },
    "empty lines that drip": (socket) => drip(socket, "\r\n")
  }
  for (const [name, start] of Object.entries(slow)) {
    it.scopedLive(`${name}: 408, no earlier, and the connection is dropped`, () =>
      Effect.gen(function* () {
        const { gateway } = yield* makeGateway({ headersTimeout: timeout })
        const bystander = yield* makeBystander(gateway)
        const heard = yield* talk(gateway.address, start)
        assert.strictEqual(statusOf(heard), "408")
        // Two clocks: Node's loop may be some milliseconds behind at the start.
        assert.isAtLeast(heard.after, timeout - 20)
        assert.isBelow(heard.after, timeout + tolerance)
        yield* unharmed(gateway, bystander)
      })
    )
  }

  it.scopedLive("a request in two parts is taken while there is time", () =>
    Effect.gen(function* () {
      const { gateway } = yield* makeGateway({ headersTimeout: "5 seconds" })
      const heard = yield* talk(gateway.address, (socket) => {
        const whole = requestOf(upgrade)
        socket.write(whole.slice(0, 40))
        setTimeout(() => socket.write(whole.slice(40)), 100)
      })
      assert.strictEqual(statusOf(heard), "101")
    })
  )

  it.scopedLive("says nothing of a connection once it is upgraded", () =>
    Effect.gen(function* () {
      const { gateway } = yield* makeGateway({ headersTimeout: 100 })
      const peer = yield* connect(gateway.address)
      yield* peer.hello()
      yield* Effect.sleep(400)
      yield* peer.echoes
    })
  )

  it.scopedLive("may be longer than Node's time for a whole request", () =>
    Effect.gen(function* () {
      const { gateway } = yield* makeGateway({ headersTimeout: "10 minutes" })
      yield* unharmed(gateway, yield* makeBystander(gateway))
    })
  )
})

it.effect("by default 16 KiB and 10 seconds, looked at every second, with Node's own time for a whole request", () =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* httpLimits.resolve({}), {
      maxHeaderSize: 16_384,
      headersTimeout: 10_000,
      connectionsCheckingInterval: 1_000,
      requestTimeout: 300_000
    })
  })
)

describe("x-forwarded-for", () => {
  interface Case {
    readonly name: string
    readonly options: ListenOptions
    readonly headers: Headers
    readonly address: string
    /** Default: the address. */
    readonly remoteAddress?: RegExp
  }
  const from = (value: string): Headers => [["X-Forwarded-For", value]]
  const peer = { address: "127.0.0.1", remoteAddress: /^127\.0\.0\.1:\d+$/ }
  const filler: Headers = Array.from({ length: 1_200 }, () => ["a", "b"])

  const cases: ReadonlyArray<Case> = [
    { name: "none: the peer", options: { trustedProxies: ["loopback"] }, headers: [], ...peer },
    { name: "nobody is trusted by default", options: {}, headers: from("1.2.3.4"), ...peer },
    {
      name: "of a peer that is not trusted",
      options: { trustedProxies: ["10.0.0.0/8", "::1"] },
      headers: from("1.2.3.4, 10.0.0.1"),
      ...peer
    },
    {
      name: "of a trusted peer",
      options: { trustedProxies: ["loopback"] },
      headers: from("1.2.3.4"),
      address: "1.2.3.4"
    },
    {
      name: "with a port",
      options: { trustedProxies: ["127.0.0.1"] },
      headers: from("1.2.3.4:5678"),
      address: "1.2.3.4",
      remoteAddress: /^1\.2\.3\.4:5678$/
    },
    {
      name: "that the client has begun",
      options: { trustedProxies: ["loopback", "10.0.0.0/8"] },
      headers: from("6.6.6.6, 1.2.3.4, 10.0.0.1"),
      address: "1.2.3.4"
    },
    {
      name: "in two headers, the first of them the client's",
      options: { trustedProxies: ["loopback", "10.0.0.0/8"] },
      headers: [...from("6.6.6.6"), ["x-other", "8.8.8.8"], ...from("1.2.3.4, 10.0.0.1")],
      address: "1.2.3.4"
    },
    {
      name: "behind more headers than Node keeps by itself",
      options: { trustedProxies: ["loopback"] },
      headers: [...from("6.6.6.6"), ...filler, ...from("1.2.3.4")],
      address: "1.2.3.4"
    },
    {
      name: "malformed",
      options: { trustedProxies: ["loopback"] },
      headers: from("1.2.3.4, unknown"),
      ...peer
    },
    {
      name: "an IPv4-mapped client",
      options: { trustedProxies: ["loopback"] },
      headers: from("::ffff:1.2.3.4"),
      address: "1.2.3.4"
    }
  ]
  for (const { address, headers, name, options, remoteAddress } of cases) {
    it.scopedLive(`${name}: ${address}`, () =>
      Effect.gen(function* () {
        const { asked, gateway } = yield* makeGateway(options)
        const heard = yield* talk(gateway.address, (socket) => socket.write(requestOf([...upgrade, ...headers])))
        assert.strictEqual(statusOf(heard), "101")
        assert.strictEqual(asked[0]?.address, address)
        if (remoteAddress === undefined) assert.strictEqual(asked[0]?.remoteAddress, address)
        else assert.match(asked[0]?.remoteAddress ?? "", remoteAddress)
      })
    )
  }

  const hasIPv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ family }) => family === "IPv6"))
  it.scopedLive.skipIf(!hasIPv6)(
    "a socket of both families: an IPv4 peer has its IPv4 address, and is trusted by it",
    () =>
      Effect.gen(function* () {
        const { asked, gateway } = yield* makeGateway({ host: "::", trustedProxies: ["127.0.0.1"] })
        const ask = (address: string, headers: Headers) =>
          talk(address, (socket) => socket.write(requestOf([...upgrade, ...headers])))
        const ipv4 = gateway.address.replace("[::1]", "127.0.0.1")
        yield* ask(ipv4, [])
        yield* ask(ipv4, from("1.2.3.4"))
        yield* ask(gateway.address, from("1.2.3.4"))
        assert.deepStrictEqual(
          asked.map((request) => request.address),
          ["127.0.0.1", "1.2.3.4", "::1"]
        )
        assert.match(asked[0]?.remoteAddress ?? "", /^127\.0\.0\.1:\d+$/)
      })
  )

  it.scopedLive("the session shows the client, not the proxy", () =>
    Effect.gen(function* () {
      const { gateway } = yield* makeGateway({ trustedProxies: ["loopback"] })
      const peer = yield* connect(gateway.address, { headers: { "x-forwarded-for": "1.2.3.4" } })
      yield* peer.hello()
      const [session] = yield* gateway.sessions
      const info = yield* session?.info ?? Effect.dieMessage("no session")
      assert.strictEqual(info.connection?.remoteAddress, "1.2.3.4")
    })
  )
})

describe("the options are refused when the layer is built, by name", () => {
  const table: ReadonlyArray<readonly [option: string, given: unknown, value: string]> = [
    ["trustedProxies", ["10.0.0.0/8", "10.0.0.0/33"], "10.0.0.0/33"],
    ["trustedProxies", "10.0.0.0/8", "1"],
    ["trustedProxies", [null], "null"],
    ["maxHeaderSize", 0, "0"],
    ["maxHeaderSize", 1.5, "1.5"],
    ["maxHeaderSize", Number.NaN, "NaN"],
    ["headersTimeout", 0, "0 ms"],
    ["headersTimeout", "-1 second", "-1 second"],
    ["headersTimeout", "soon", '"soon"'],
    ["headersTimeout", Number.POSITIVE_INFINITY, "Infinity ms"]
  ]
  for (const [option, given, value] of table) {
    it.scopedLive(`${option} = ${JSON.stringify(given)}`, () =>
      Effect.gen(function* () {
        const options = { port: 0, [option]: given } as NodeListener.ListenOptions // as a program without types would
        const error = yield* Effect.flip(Layer.build(NodeListener.layer(options)))
        assert.instanceOf(error, ConnectionError.InvalidOption)
        assert.deepInclude(error, { option, value })
      })
    )
  }
})
