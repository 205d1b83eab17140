/** Dialling from a page. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope, TestClock } from "effect"
import { Client, Connection, Dialer, Messages } from "holdfast"
import { BrowserDialer } from "holdfast/browser"
import { settle } from "../../support/virtual.js"
import { asConstructor, FakeWebSocket } from "./fakeWebSocket.js"

const request = { url: "ws://host/", protocols: ["holdfast.v1.json"], maxFrame: 1000, closeTimeout: 1000 }

const dialer = (WebSocketOf: new (url: string, protocols: Array<string>) => FakeWebSocket = FakeWebSocket) => {
  FakeWebSocket.made = []
  return BrowserDialer.make(asConstructor(WebSocketOf))
}

const only = Effect.suspend(() => {
  const [socket, ...more] = FakeWebSocket.made
  return socket === undefined || more.length > 0 ? Effect.dieMessage("not one socket") : Effect.succeed(socket)
})

const dialling = Effect.gen(function* () {
  const scope = yield* Scope.fork(yield* Effect.scope, { _tag: "Sequential" })
  const fiber = yield* Effect.fork(Scope.extend(dialer().dial(request), scope))
  yield* settle
  return { fiber, scope, socket: yield* only }
})

describe("A dial", () => {
  it.scoped("offers its subprotocols, and gives the transport once it is open", () =>
    Effect.gen(function* () {
      const { fiber, socket } = yield* dialling
      assert.deepStrictEqual(socket.protocols, ["holdfast.v1.json"])
      assert.strictEqual((yield* Fiber.poll(fiber))._tag, "None")
      socket.opens("holdfast.v1.json")
      assert.strictEqual((yield* Fiber.join(fiber)).protocol, "holdfast.v1.json")
      assert.sameMembers(
        socket.listeners.map(({ type }) => type),
        ["message", "close"]
      )
    })
  )

  it.scoped("that the network refuses fails, and leaves nothing", () =>
    Effect.gen(function* () {
      const { fiber, socket } = yield* dialling
      socket.ends(1006)
      assert.strictEqual((yield* Effect.flip(Fiber.join(fiber)))._tag, "DialFailed")
      assert.lengthOf(socket.listeners, 0)
    })
  )

  it.scoped("that is interrupted abandons the attempt at once, not when its scope closes", () =>
    Effect.gen(function* () {
      const { fiber, socket } = yield* dialling
      yield* Fiber.interrupt(fiber)
      assert.lengthOf(socket.closes, 1)
      assert.lengthOf(socket.listeners, 0)
    })
  )

  it.scoped("that takes too long is abandoned at once, although its connection's scope goes on", () =>
    Effect.gen(function* () {
      const service = dialer()
      const connecting = Connection.dial("ws://host/", { connectTimeout: "3 seconds" }).pipe(
        Effect.provideService(Dialer.Dialer, service)
      )
      const fiber = yield* Effect.fork(Effect.flip(connecting))
      yield* TestClock.adjust(3000)
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "ConnectTimeout")
      assert.lengthOf((yield* only).closes, 1)
    })
  )

  it.scoped("whose scope closes abandons the attempt", () =>
    Effect.gen(function* () {
      const { fiber, scope, socket } = yield* dialling
      yield* Scope.close(scope, Exit.void)
      assert.lengthOf(socket.closes, 1)
      yield* Fiber.interrupt(fiber)
      assert.lengthOf(socket.listeners, 0)
    })
  )

  it.scoped("leaves no listener on a WebSocket that knows no AbortSignal", () =>
    Effect.gen(function* () {
      class OldWebSocket extends FakeWebSocket {
        override addEventListener(type: string, listener: (event: Event) => void): void {
          super.addEventListener(type, listener)
        }
      }
      const fiber = yield* Effect.fork(dialer(OldWebSocket).dial(request))
      yield* settle
      const socket = yield* only
      socket.opens()
      yield* Fiber.join(fiber)
      assert.sameMembers(
        socket.listeners.map(({ type }) => type),
        ["message", "close"]
      )
    })
  )

  for (const [what, change] of Object.entries({
    "to no URL": { url: "nowhere" },
    "to a URL that is no WebSocket's": { url: "https://host/" },
    "with headers": { headers: { authorization: "secret" } }
  })) {
    it.scoped(`${what} fails, and makes no socket`, () =>
      Effect.gen(function* () {
        const failure = yield* Effect.flip(dialer().dial({ ...request, ...change }))
        assert.strictEqual(failure._tag, "DialFailed")
        assert.lengthOf(FakeWebSocket.made, 0)
        if (what === "with headers") assert.notInclude(failure.message, "secret")
      })
    )
  }

  it.scoped("with headers that are none is one without", () =>
    Effect.gen(function* () {
      yield* Effect.fork(dialer().dial({ ...request, headers: {} }))
      yield* settle
      assert.lengthOf((yield* only).closes, 0)
    })
  )
})

describe("A connection of a page", () => {
  it.scoped("whose buffer never drains ends at its write deadline, as far as a page can see it", () =>
    Effect.gen(function* () {
      const service = dialer()
      const connecting = Connection.dial("ws://host/", { writeDeadline: "5 seconds" }).pipe(
        Effect.provideService(Dialer.Dialer, service)
      )
      const fiber = yield* Effect.fork(connecting)
      yield* settle
      const socket = yield* only
      socket.opens()
      const connection = yield* Fiber.join(fiber)
      yield* connection.send("stuck")
      const ended = yield* Effect.fork(connection.ended)
      yield* TestClock.adjust(5019)
      assert.strictEqual((yield* Fiber.poll(ended))._tag, "None")
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(ended))._tag, "WriteDeadlineExceeded")
    })
  )

  it.scoped("asks in its hello for heartbeats that are messages", () =>
    Effect.gen(function* () {
      const service = dialer()
      yield* Client.make({ url: "ws://host/", messages: Messages.json }).pipe(
        Effect.provideService(Dialer.Dialer, service)
      )
      yield* settle
      const socket = yield* only
      socket.opens("holdfast.v1.json")
      yield* settle
      assert.deepInclude(JSON.parse(String(socket.sent[0])), { type: "hello", heartbeat: "message" })
      socket.ends(1006)
      yield* settle
    })
  )
})
