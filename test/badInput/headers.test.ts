/** Headers too large or too late, and a peer that sends none. */
import type * as net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { ConnectionError } from "holdfast"
import { NodeListener } from "holdfast/node"
import * as httpLimits from "../../src/node/internal/httpLimits.js"
import { type Headers, makeGateway, requestOf, statusOf, talk, target, upgrade } from "./rawRequest.js"
import { connect, makeBystander, unharmed } from "./support.js"

/** What `maxHeaderSize` counts. */
const sizeOf = (headers: Headers): number =>
  headers.reduce((size, [name, value]) => size + name.length + value.length, target.length)

/** An upgrade request of just this size. */
const padded = (size: number): string =>
  requestOf([...upgrade, ["x", "v".repeat(size - sizeOf([...upgrade, ["x", ""]]))]])

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
      assert.isBelow(heard.after, 10_000) // not by headersTimeout, after a minute
      yield* unharmed(gateway, bystander)
    })
  )
})

describe("headersTimeout", () => {
  const timeout = 400
  /** The check's interval, and what a busy machine adds: far from the default of a minute. */
  const tolerance = timeout / 10 + 10_000

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
