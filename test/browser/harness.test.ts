import { assert } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, type Scope } from "effect"
import { layer } from "../support/layer.js"
import { limit } from "../support/patience.js"
import { Chromium, inPage, profile, windows as windowsOfChromium } from "./chromium.js"
import { Firefox, windows as windowsOfFirefox } from "./firefox.js"
import { describeWithChromium, describeWithFirefox } from "./gate.js"
import { gatewayProcess } from "./gateway.js"
import { BarePage, inBrowser, starts, untilReadyTimes, untilStatus } from "./support.js"
import type { Tab, Watched } from "./tab.js"

/** Does this in a page, and says what a test is told of it in the end. */
const toldOf =
  <R>(windows: Effect.Effect<Watched<Tab>, never, R>) =>
  (does: () => void) =>
    Effect.gen(function* () {
      const url = yield* BarePage
      const scoped = Effect.gen(function* () {
        const { console, open } = yield* windows
        const page = yield* open(url)
        yield* page.evaluate(does, undefined)
        yield* page.until("it is done", () => document.title === "done", undefined)
        return console
      })
      const exit = yield* Effect.exit(Effect.scoped(scoped))
      return Exit.isSuccess(exit) ? exit.value.join("\n") : Cause.pretty(exit.cause)
    })

/** In each browser; `logged` is what it logs itself of what failed. */
const errors = <R>(
  browser: Layer.Layer<R>,
  windows: Effect.Effect<Watched<Tab>, never, R | Scope.Scope>,
  logged: ReadonlyArray<RegExp>
) =>
  layer(Layer.merge(browser, BarePage.layer), { excludeTestServices: true, timeout: limit })((it) => {
    const told = toldOf(windows)

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
        for (const line of logged) assert.match(shown, line)
        assert.notMatch(shown, /the page had errors/)
      })
    )
  })

describeWithChromium("the harness for tests in Chromium", () =>
  errors(Chromium.layer, windowsOfChromium, [
    /error: WebSocket connection to 'ws:\/\/127.0.0.1:9\/' failed/,
    /error: Failed to load resource/
  ])
)
describeWithFirefox("the harness for tests in Firefox", () =>
  errors(Firefox.layer, windowsOfFirefox, [/can’t establish a connection to the server at ws:\/\/127.0.0.1:9\//])
)

describeWithChromium("the harness for tests in a browser", () => {
  inBrowser((it) => {
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
