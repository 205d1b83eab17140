/** A page's WebSocket as a Transport: each sentence of its contract. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import type { Transport } from "holdfast"
import { BrowserDialer } from "holdfast/browser"
import { settle } from "../../support/virtual.js"
import { asConstructor, FakeWebSocket } from "./fakeWebSocket.js"

const maxFrame = 100

/** An open transport, and what its receiver heard; `react` may call back into the transport. */
const opened = (
  options: { readonly runs?: boolean; readonly react?: (what: string, transport: Transport.Transport) => void } = {}
) =>
  Effect.gen(function* () {
    FakeWebSocket.made = []
    const dialer = BrowserDialer.make(asConstructor(FakeWebSocket))
    const request = { url: "ws://host:1234/path", protocols: ["a", "b"], maxFrame, closeTimeout: 1000 }
    const dialling = yield* Effect.fork(dialer.dial(request))
    yield* settle
    const [socket] = FakeWebSocket.made
    if (socket === undefined) return yield* Effect.dieMessage("nothing was dialled")
    socket.opens("b")
    const transport = yield* dialling
    const heard: Array<string> = []
    /** Calls into the transport that have not returned. */
    let depth = 0
    const note = (what: string) => {
      assert.strictEqual(depth, 0, `${what} from within a call into the transport`)
      heard.push(what)
      options.react?.(what, transport)
    }
    const call = <A>(use: (transport: Transport.Transport) => A): A => {
      depth++
      try {
        return use(transport)
      } finally {
        depth--
      }
    }
    const receiver: Transport.Receiver = {
      message: (frame) => note(typeof frame === "string" ? frame : `bytes ${[...frame].join(",")}`),
      ping: () => note("ping"),
      pong: () => note("pong"),
      congested: () => note("congested"),
      drained: () => note("drained"),
      closed: ({ clean, code, reason, violation }) =>
        note(`closed ${code} "${reason}"${clean ? " clean" : ""}${violation === true ? " violation" : ""}`)
    }
    const run = () => call((transport) => transport.run(receiver))
    if (options.runs !== false) run()
    return { socket, transport, heard, call, run }
  })

describe("What arrives", () => {
  it.scoped("is handed over in order, text and binary, with what came before anybody listened", () =>
    Effect.gen(function* () {
      const { heard, run, socket, transport } = yield* opened({ runs: false })
      assert.deepInclude(transport, { protocol: "b", remoteAddress: "host:1234", ping: undefined, pong: undefined })
      socket.receives("early")
      socket.receives(Uint8Array.of(1, 2))
      run()
      yield* settle
      socket.receives("late")
      assert.deepStrictEqual(heard, ["early", "bytes 1,2", "late"])
    })
  )

  it.scoped("before anybody listened and has ended since is handed over before the end", () =>
    Effect.gen(function* () {
      const { heard, run, socket } = yield* opened({ runs: false })
      socket.receives("early")
      socket.ends(1001, "going")
      run()
      yield* settle
      assert.deepStrictEqual(heard, ["early", 'closed 1001 "going" clean'])
    })
  )

  it.scoped("is held while this end has paused, and handed over in order, before the end", () =>
    Effect.gen(function* () {
      const { call, heard, socket } = yield* opened()
      call((transport) => transport.pause())
      for (const n of [1, 2, 3]) socket.receives(String(n))
      socket.ends(1006)
      yield* settle
      assert.deepStrictEqual(heard, [])
      call((transport) => transport.resume())
      yield* settle
      assert.deepStrictEqual(heard, ["1", "2", "3", 'closed 1006 ""'])
    })
  )

  it.scoped("stops in the very message in which its receiver pauses", () =>
    Effect.gen(function* () {
      const { heard, run, socket, transport } = yield* opened({
        runs: false,
        react: (what, transport) => what === "1" && transport.pause()
      })
      for (const n of [1, 2]) socket.receives(String(n))
      run()
      yield* settle
      assert.deepStrictEqual(heard, ["1"])
      transport.resume()
      yield* settle
      assert.deepStrictEqual(heard, ["1", "2"])
    })
  )

  for (const [what, frame, count] of [
    ["large", "x".repeat(maxFrame), 9],
    ["empty", "", 100_000]
  ] as const) {
    it.scoped(`while this end has paused is held within a bound: ${what} messages`, () =>
      Effect.gen(function* () {
        const { call, heard, socket } = yield* opened()
        call((transport) => transport.pause())
        let held = 0
        while (socket.readyState === socket.OPEN && held <= count) {
          socket.receives(frame)
          held++
        }
        assert.deepStrictEqual(
          heard.map((what) => what.slice(0, 11)),
          ["closed 4413"]
        )
        assert.isAtMost(held, count)
        assert.strictEqual(socket.closes[0]?.[0], 4413)
        assert.lengthOf(socket.listeners, 0)
      })
    )
  }

  it.scoped("may be as large as the limit, in bytes of UTF-8; what is larger is a violation, and closes", () =>
    Effect.gen(function* () {
      const { heard, socket } = yield* opened()
      socket.receives("é".repeat(maxFrame / 2))
      socket.receives(new Uint8Array(maxFrame))
      assert.lengthOf(heard, 2)
      socket.receives("é".repeat(maxFrame / 2 + 1))
      assert.deepStrictEqual(heard.slice(2), ['closed 1009 "the message is too large" violation'])
      assert.deepStrictEqual(socket.closes, [[1000, "1009: the message is too large"]])
      socket.receives("after")
      socket.ends(1000)
      yield* settle
      assert.lengthOf(heard, 3)
    })
  )
})

describe("What is sent", () => {
  it.scoped("leaves in order, and is counted; after the end it is dropped", () =>
    Effect.gen(function* () {
      const { call, socket, transport } = yield* opened()
      call((transport) => transport.send("é"))
      call((transport) => transport.send(Uint8Array.of(1, 2, 3)))
      assert.deepStrictEqual([transport.accepted(), transport.buffered()], [5, 5])
      for (const end of ["closing", "closed"] as const) {
        if (end === "closing") call((transport) => transport.close(1000, ""))
        else socket.ends(1000)
        call((transport) => transport.send("too late"))
        assert.deepStrictEqual([transport.accepted(), transport.buffered()], [5, 0], end)
      }
      assert.deepStrictEqual(socket.sent, ["é", Uint8Array.of(1, 2, 3)])
    })
  )

  it.scoped("and not taken by the network is told of until it is, and looked at no longer than that", () =>
    Effect.gen(function* () {
      const { call, heard, socket } = yield* opened()
      call((transport) => transport.send("0123456789"))
      assert.deepStrictEqual(heard, [])
      yield* TestClock.adjust(20)
      assert.deepStrictEqual(heard, ["congested"])
      socket.takes(3)
      yield* TestClock.adjust(20)
      socket.takes()
      yield* TestClock.adjust(20)
      assert.deepStrictEqual(heard, ["congested", "congested", "drained"])
      assert.lengthOf(yield* TestClock.sleeps(), 0)
      call((transport) => transport.send("again"))
      socket.takes()
      yield* TestClock.adjust(20)
      assert.deepStrictEqual(heard.slice(3), ["drained"])
      assert.lengthOf(yield* TestClock.sleeps(), 0)
    })
  )

  it.scoped("is not looked at any more once it has ended, nor told of", () =>
    Effect.gen(function* () {
      const { call, heard, socket } = yield* opened()
      call((transport) => transport.send("stuck"))
      socket.ends(1006)
      yield* TestClock.adjust(1000)
      assert.deepStrictEqual(heard, ['closed 1006 ""'])
      assert.lengthOf(yield* TestClock.sleeps(), 0)
    })
  )
})

describe("The end", () => {
  const long = "é".repeat(61)
  const codes: ReadonlyArray<readonly [code: number, reason: string, sent: readonly [number, string]]> = [
    [1000, "bye", [1000, "bye"]],
    [3000, "", [3000, ""]],
    [4413, "slow", [4413, "slow"]],
    [1001, "", [1000, "1001"]],
    [1001, "leaving", [1000, "1001: leaving"]],
    [1011, long, [1000, `1011: ${"é".repeat(58)}`]],
    [1012, "\u{1f600}".repeat(30), [1000, `1012: ${"\u{1f600}".repeat(29)}`]]
  ]
  for (const [code, reason, sent] of codes) {
    it.scoped(`by this end's wish with ${code} and ${Buffer.byteLength(reason)} bytes says what a page may say`, () =>
      Effect.gen(function* () {
        const { call, heard, socket } = yield* opened()
        call((transport) => transport.close(code, reason))
        assert.deepStrictEqual(socket.closes, [sent])
        socket.receives("on its way")
        socket.ends(1000, "answered")
        yield* settle
        assert.deepStrictEqual(heard, ["on its way", 'closed 1000 "answered" clean'])
      })
    )
  }

  type Step = "close" | "destroy" | "lost" | "answered" | "pause" | "resume"
  const steps: Record<Step, (socket: FakeWebSocket, transport: Transport.Transport) => void> = {
    close: (_, transport) => transport.close(1001, "x"),
    destroy: (_, transport) => transport.destroy(),
    lost: (socket) => socket.ends(1006),
    answered: (socket) => socket.ends(1000),
    pause: (_, transport) => transport.pause(),
    resume: (_, transport) => transport.resume()
  }
  const names = Object.keys(steps) as ReadonlyArray<Step>
  const orders = names.flatMap((a) => names.flatMap((b) => names.map((c) => [a, b, c] as const)))

  it.scoped("is told exactly once in whatever order things end, and no listener is left", () =>
    Effect.gen(function* () {
      for (const order of orders) {
        for (const hasMail of [false, true]) {
          const where = `${order.join(", ")}${hasMail ? " with a message" : ""}`
          const { call, heard, socket, transport } = yield* opened()
          call((transport) => transport.pause())
          if (hasMail) socket.receives("mail")
          for (const step of order) {
            if (step === "lost" || step === "answered") steps[step](socket, transport)
            else call((transport) => steps[step](socket, transport))
            yield* Effect.promise(() => Promise.resolve())
          }
          call((transport) => transport.destroy())
          yield* settle
          assert.lengthOf(
            heard.filter((what) => what.startsWith("closed")),
            1,
            where
          )
          assert.match(heard.at(-1) ?? "", /^closed/, where)
          assert.lengthOf(socket.listeners, 0, where)
          socket.receives("after")
          socket.ends(1006)
          yield* settle
          assert.match(heard.at(-1) ?? "", /^closed/, where)
        }
      }
    })
  )

  it.scoped("is the scope's, too: the socket is closed, and no listener or fiber is left", () =>
    Effect.gen(function* () {
      const { socket, transport } = yield* Effect.scoped(
        Effect.tap(opened(), ({ call }) => call((transport) => transport.send("stuck")))
      )
      yield* settle
      assert.deepStrictEqual(socket.closes, [[undefined, undefined]])
      assert.lengthOf(socket.listeners, 0)
      assert.strictEqual(transport.buffered(), 0)
      yield* TestClock.adjust(20)
      assert.lengthOf(yield* TestClock.sleeps(), 0)
    })
  )
})
