import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { feedServer } from "../examples/feedServer.js"
import * as TcpProxy from "../node/tcpProxy.js"
import { inPage, profile, until } from "./chromium.js"
import { describeWithChromium } from "./gate.js"
import { BarePage, inBrowser } from "./support.js"

const cuts = 5

describeWithChromium("a connection that a page keeps to a server that is not Holdfast's", () => {
  inBrowser((it) => {
    it.scoped("comes back subscribed after cuts and a silence, and says where messages may be missing", () =>
      Effect.gen(function* () {
        const { connections, port } = yield* feedServer(20)
        const proxy = yield* TcpProxy.make(port)
        const { open } = yield* profile
        const page = yield* open(yield* BarePage)
        const timing = { heartbeatInterval: "300 millis", readDeadline: "1 second" } as const
        yield* inPage(page, ([url, timing]) => window.feed.follow(url, timing), [
          `ws://127.0.0.1:${proxy.port}/`,
          timing
        ] as const)
        yield* inPage(page, () => window.feed.subscribe("EURUSD"), undefined)
        /** Three prices of the connection after so many gaps. */
        const more = (gaps: number) =>
          until(
            page,
            `prices of connection ${gaps + 1}`,
            (gaps) => {
              const { received } = window.feed
              const last = received.lastIndexOf("gap")
              return received.filter((one) => one === "gap").length === gaps && received.length - last > 3
            },
            gaps
          )
        for (let cut = 0; cut < cuts; cut++) {
          yield* more(cut)
          yield* proxy.cut
        }
        yield* more(cuts)
        yield* proxy.silence("up", "down")
        yield* until(page, "the silence is found", () => window.feed.reasons.includes("ReadDeadlineExceeded"), 0)
        yield* proxy.restore
        yield* more(cuts + 1)

        const received = yield* inPage(page, () => window.feed.received, undefined)
        let next = 1
        for (const one of received) {
          if (one === "gap") next = 1
          else assert.deepStrictEqual(one, { symbol: "EURUSD", price: next++ })
        }
        // None twice: each attempt asked for a token of its own.
        const tokens = connections.map(({ token }) => token)
        assert.strictEqual(new Set(tokens).size, tokens.length)
        for (const { symbols } of connections.slice(1)) assert.isAtMost(symbols.length, 1)
        assert.deepStrictEqual(connections.at(-1)?.symbols, ["EURUSD"])
      })
    )
  })
})
