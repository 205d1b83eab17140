import { assert } from "@effect/vitest"
import { Cause, Effect, Exit } from "effect"
import { inPage, profile, until } from "./chromium.js"
import { describeWithChromium } from "./gate.js"
import { gatewayProcess } from "./gateway.js"
import { BarePage, inBrowser, starts, untilReadyTimes, untilStatus } from "./support.js"

/** Does this in a page, and says what a test is told of it in the end. */
const told = (does: () => void) =>
  Effect.gen(function* () {
    const url = yield* BarePage
    const scoped = Effect.gen(function* () {
      const { console, open } = yield* profile
      const page = yield* open(url)
      yield* inPage(page, does, undefined)
      yield* until(page, "it is done", () => document.title === "done", undefined)
      return console
    })
    const exit = yield* Effect.exit(Effect.scoped(scoped))
    return Exit.isSuccess(exit) ? exit.value.join("\n") : Cause.pretty(exit.cause)
  })

describeWithChromium("the harness for tests in a browser", () => {
  inBrowser((it) => {
    it.scoped("fails a test for a page's uncaught exception, unhandled rejection and console.error", () =>
      Effect.gen(function* () {
        const thrown = yield* told(() => {
          setTimeout(() => {
            document.title = "done"
            throw new Error("thrown in the page")
          }, 0)
        })
        assert.match(thrown, /the page had errors:[\s\S]*thrown in the page/)
        const rejected = yield* told(() => {
          void Promise.reject(new Error("rejected in the page"))
          setTimeout(() => {
            document.title = "done"
          }, 0)
        })
        assert.match(rejected, /the page had errors:[\s\S]*rejected in the page/)
        const logged = yield* told(() => {
          console.error("Failed to load resource: says the page itself")
          document.title = "done"
        })
        assert.match(logged, /the page had errors:[\s\S]*says the page itself/)
      })
    )

    it.scoped("counts no error that the browser logs of a request or a WebSocket that failed", () =>
      Effect.gen(function* () {
        const shown = yield* told(() => {
          const failed = new WebSocket("ws://127.0.0.1:9/")
          failed.addEventListener("close", async () => {
            const { status } = await fetch("/missing")
            document.title = status === 404 ? "done" : "found"
          })
        })
        assert.match(shown, /error: WebSocket connection to 'ws:\/\/127.0.0.1:9\/' failed/)
        assert.match(shown, /error: Failed to load resource/)
        assert.notMatch(shown, /the page had errors/)
      })
    )

    it.scoped("has the example's gateway as a process that is paused, killed and started again on its port", () =>
      Effect.gen(function* () {
        const gateway = yield* gatewayProcess({
          HOLDFAST_HEARTBEAT_INTERVAL: "500 millis",
          HOLDFAST_READ_DEADLINE: "3 seconds"
        })
        const { open } = yield* profile
        const page = yield* open(yield* BarePage)
        yield* inPage(page, (url) => window.holdfast.connect({ url }), gateway.url)
        yield* untilReadyTimes(page, 1)
        yield* gateway.pause
        yield* untilStatus(page, "Waiting")
        yield* gateway.resume
        yield* untilReadyTimes(page, 2)
        yield* gateway.kill
        yield* untilStatus(page, "Waiting")
        yield* gateway.start
        yield* untilReadyTimes(page, 3)
        assert.deepStrictEqual(yield* starts(page), ["Fresh", "Resumed", "Reset"])
      })
    )
  })
})
