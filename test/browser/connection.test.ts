import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { upTo } from "../node/support.js"
import { eventually, lateness } from "../support/patience.js"
import { inPage, until } from "./chromium.js"
import { describeWithChromium } from "./gate.js"
import { inBrowser, starts, untilReadyTimes, untilStatus, world } from "./support.js"
import type { Wire } from "./wires.js"

const interval = 400
const deadline = 2000
const timing = { heartbeatInterval: interval, readDeadline: deadline }
/** What a machine may be late, besides what this process's own timers have been: a deadline that runs twice is caught. */
const slack = 1500

/** Messages of the protocol of this type that the server was sent. */
const typesIn = (wire: Wire | undefined, type: string) =>
  wire?.frames.filter((frame) => JSON.parse(String(frame)).type === type) ?? []

describeWithChromium("a page's connection", () => {
  inBrowser((it) => {
    it.scoped("is kept alive by messages, as no page can ping, and both ends know the round-trip time", () =>
      Effect.gen(function* () {
        const { connect, gateway, page, wires } = yield* world({ heartbeatInterval: 50, readDeadline: deadline })
        yield* connect()
        const ofPage = Effect.map(
          inPage(page, () => window.holdfast.stats(), undefined),
          ({ connection }) => connection?.roundTrip
        )
        const ofGateway = Effect.flatMap(gateway.sessions, ([session]) =>
          session === undefined
            ? Effect.succeed(undefined)
            : Effect.map(session.info, ({ connection }) => connection?.roundTrip)
        )
        for (const [end, roundTrip] of Object.entries({ ofPage, ofGateway })) {
          yield* eventually(
            `a round trip ${end}`,
            Effect.map(roundTrip, (millis) => millis !== undefined)
          )
          assert.isBelow((yield* roundTrip) ?? Number.NaN, deadline)
        }
        // So long that it would have been found dead.
        yield* eventually(
          "50 pings and 40 answers",
          Effect.sync(() => typesIn(wires[0], "ping").length >= 50 && typesIn(wires[0], "pong").length >= 40),
          () => typesIn(wires[0], "pong").length
        )
        assert.strictEqual(wires.length, 1)
        assert.strictEqual(wires[0]?.pingsIn, 0)
        assert.strictEqual(wires[0]?.pingsOut, 0)
      })
    )

    it.scoped("that is cut is found at once, and the session resumed", () =>
      Effect.gen(function* () {
        const { connect, page, proxy } = yield* world()
        yield* connect()
        yield* proxy.cut
        yield* untilReadyTimes(page, 2)
        const reasons = yield* inPage(
          page,
          () => window.holdfast.history.flatMap((status) => (status._tag === "Waiting" ? [status.reason._tag] : [])),
          undefined
        )
        assert.deepStrictEqual(reasons, ["ConnectionLost"])
        assert.deepStrictEqual(yield* starts(page), ["Fresh", "Resumed"])
      })
    )

    it.scoped("that is silent is found dead at the deadline, not before, and the session resumed", () =>
      Effect.gen(function* () {
        const { connect, page, proxy } = yield* world(timing)
        yield* connect(timing)
        const late = yield* lateness
        yield* proxy.silence("up", "down")
        const silent = Date.now()
        yield* until(
          page,
          "the client notices",
          () => window.holdfast.history.some(({ _tag }) => _tag === "Waiting"),
          0
        )
        const found = yield* inPage(
          page,
          () =>
            window.holdfast.history.flatMap((status) =>
              status._tag === "Waiting" && status.reason._tag === "ReadDeadlineExceeded"
                ? [{ at: status.at, lastActivity: status.reason.lastActivity, deadline: status.reason.deadline }]
                : []
            ),
          undefined
        )
        assert.strictEqual(found.length, 1)
        const { at = 0, deadline: said, lastActivity = 0 } = found[0] ?? {}
        assert.strictEqual(said, deadline)
        assert.isAtLeast(at - lastActivity, deadline)
        assert.isAtMost(at - lastActivity, deadline + slack + 4 * late())
        // The last activity was at the silence or at most one heartbeat before it.
        assert.isAtLeast(at - silent, deadline - interval - slack / 2 - 2 * late())
        yield* proxy.restore
        yield* untilReadyTimes(page, 2)
        assert.deepStrictEqual(yield* starts(page), ["Fresh", "Resumed"])
      })
    )

    it.scoped("whose writes do not leave is found at the write deadline, and the session resumed without a loss", () =>
      Effect.gen(function* () {
        const limits = { replayBytes: 24 * 1024 * 1024, byteRate: 1024 * 1024 * 1024 }
        const { connect, handled, page, proxy } = yield* world({ ...limits, mute: true })
        yield* connect({ ...limits, writeDeadline: deadline })
        yield* proxy.silence("up")
        yield* inPage(
          page,
          async () => {
            // None is so large that it waits for answers, as one in parts does.
            for (let n = 1; n <= 400; n++) await window.holdfast.send(String(n).padEnd(60 * 1024, "."))
          },
          undefined
        )
        yield* until(
          page,
          "the client notices",
          () => window.holdfast.history.some(({ _tag }) => _tag === "Waiting"),
          0
        )
        const reason = yield* inPage(
          page,
          () =>
            window.holdfast.history.flatMap((status) => (status._tag === "Waiting" ? [status.reason._tag] : [])).at(0),
          undefined
        )
        assert.strictEqual(reason, "WriteDeadlineExceeded")
        yield* proxy.restore
        yield* eventually(
          "everything has arrived",
          Effect.sync(() => handled.length === 400)
        )
        assert.deepStrictEqual(
          handled.map((text) => Number.parseInt(String(text), 10)),
          upTo(400)
        )
        assert.notInclude(yield* starts(page), "Reset")
      })
    )

    it.scoped("that a page leaves without a word ends with 1001, and the session waits to be resumed", () =>
      Effect.gen(function* () {
        const { connect, ended, gateway, page, wires } = yield* world()
        yield* connect()
        yield* Effect.promise(() => page.close())
        yield* eventually(
          "the server knows",
          Effect.sync(() => wires[0]?.closed !== undefined)
        )
        assert.strictEqual(wires[0]?.closed?.code, 1001)
        assert.strictEqual((yield* gateway.stats).sessions, 1)
        assert.deepStrictEqual(ended, [])
      })
    )

    it.scoped("is closed by `close`, as by the end of its scope, with 1000 after a bye that the server has heard", () =>
      Effect.gen(function* () {
        const { connect, ended, page, wires } = yield* world()
        const ways = [() => window.holdfast.close(), () => window.holdfast.leave()]
        for (const [at, end] of ways.entries()) {
          yield* connect()
          yield* inPage(page, end, undefined)
          yield* eventually(
            "the server knows",
            Effect.sync(() => wires[at]?.closed !== undefined)
          )
          const { clean, code, reason } = wires[at]?.closed ?? {}
          assert.deepStrictEqual({ clean, code, reason }, { clean: true, code: 1000, reason: "bye" })
          assert.strictEqual(typesIn(wires[at], "bye").length, 1)
        }
        assert.deepStrictEqual(ended, [{ _tag: "Bye" }, { _tag: "Bye" }])
      })
    )

    it.scoped("is closed with its code and reason when the server breaks the protocol", () =>
      Effect.gen(function* () {
        const { connect, page, wires } = yield* world()
        yield* connect()
        wires[0]?.send('{"type":"ack","ack":7}')
        yield* untilStatus(page, "Ended")
        yield* eventually(
          "the server knows",
          Effect.sync(() => wires[0]?.closed !== undefined)
        )
        assert.strictEqual(wires[0]?.closed?.code, 4400)
        assert.match(wires[0]?.closed?.reason ?? "", /ack/)
      })
    )

    it.scoped("is resumed or given up as the server's close code says", () =>
      Effect.gen(function* () {
        const { connect, page, wires } = yield* world()
        const resumed = [1000, 1001, 1011, 1012, 1013, 1014, 3000, 4408, 4413, 4429, 4499]
        const stopped = [1002, 1003, 1007, 1008, 1009, 1010, 4400, 4401, 4403, 4409, 4410, 4500, 4999]
        for (const code of resumed) {
          yield* connect()
          wires.at(-1)?.close(code, "as the test says")
          yield* untilReadyTimes(page, 2)
          const seen = yield* inPage(
            page,
            () =>
              window.holdfast.history.flatMap((status) =>
                status._tag === "Waiting" && status.reason._tag === "ClosedByPeer"
                  ? [[status.reason.code, status.reason.reason]]
                  : []
              ),
            undefined
          )
          assert.deepStrictEqual(seen, [[code, "as the test says"]])
          assert.deepStrictEqual(yield* starts(page), ["Fresh", "Resumed"], `${code}`)
        }
        for (const code of stopped) {
          yield* connect()
          wires.at(-1)?.close(code, "as the test says")
          yield* untilStatus(page, "Ended")
          const seen = yield* inPage(
            page,
            () => {
              const last = window.holdfast.history.at(-1)
              if (last?._tag !== "Ended" || last.reason._tag !== "Stopped") return last?._tag
              return last.reason.end._tag === "ClosedByPeer" ? last.reason.end.code : last.reason.end._tag
            },
            undefined
          )
          assert.strictEqual(seen, code)
        }
      })
    )
  })
})
