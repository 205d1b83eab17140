import { assert } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import * as TcpProxy from "../node/tcpProxy.js"
import { layer } from "../support/layer.js"
import { eventually, limit } from "../support/patience.js"
import { Firefox, tabs as tabsOfFirefox } from "./firefox.js"
import { describeWithChromium, describeWithFirefox } from "./gate.js"
import { type EchoOptions, echoGateway } from "./gateway.js"
import type { ConnectOptions } from "./page/main.js"
import { BarePage } from "./support.js"
import type { Opens, WindowTab } from "./tab.js"
import { tabs as tabsOfChromium } from "./tabs.js"

const options = { excludeTestServices: true, timeout: limit } as const

/** The bare page in a tab that is really hidden and shown, and another tab. */
const world = <T extends WindowTab, R>(tabs: Effect.Effect<Opens<T>, never, R>, options?: EchoOptions) =>
  Effect.gen(function* () {
    const echo = yield* echoGateway(options)
    const proxy = yield* TcpProxy.make(echo.port)
    const site = yield* BarePage
    const { open } = yield* tabs
    const tab = yield* open(site)
    const url = `ws://127.0.0.1:${proxy.port}/`
    const is = (tag: string) =>
      tab.until(`it is ${tag}`, (wanted) => window.holdfast.history.at(-1)?._tag === wanted, tag)
    return {
      ...echo,
      proxy,
      tab,
      url,
      is,
      hide: Effect.zipRight(
        open("about:blank"),
        tab.until("it is hidden", () => document.visibilityState === "hidden", undefined)
      ),
      connect: (more?: Partial<ConnectOptions>) =>
        Effect.zipRight(
          tab.evaluate((all) => window.holdfast.connect(all), { url, ...more }),
          is("Ready")
        )
    }
  })

/** What comes within the test comes by waking, and not by the clock. */
const late = { reconnect: { base: "10 minutes", max: "10 minutes", jitter: false } } as const

/** In each browser. */
const interruptions = <R>(browser: Layer.Layer<R>, tabs: Effect.Effect<Opens<WindowTab>, never, R | Scope.Scope>) =>
  layer(
    Layer.merge(browser, BarePage.layer),
    options
  )((it) => {
    it.scoped("tries again at once when it is shown again", () =>
      Effect.gen(function* () {
        const { connect, hide, is, proxy, tab } = yield* world(tabs)
        yield* connect(late)
        yield* hide
        yield* proxy.cut
        yield* is("Waiting")
        yield* tab.show
        yield* is("Ready")
        assert.strictEqual((yield* proxy.stats).accepted, 2)
      })
    )

    it.scoped("tries again at once when the network is back", () =>
      Effect.gen(function* () {
        const { connect, is, proxy, tab } = yield* world(tabs)
        yield* connect(late)
        yield* proxy.cut
        yield* is("Waiting")
        yield* tab.evaluate(() => void window.dispatchEvent(new Event("online")), undefined)
        yield* is("Ready")
      })
    )

    it.scoped("does not come back by being shown when its client has been closed", () =>
      Effect.gen(function* () {
        const { connect, hide, proxy, tab } = yield* world(tabs)
        yield* connect(late)
        yield* tab.evaluate(() => window.holdfast.close(), undefined)
        yield* hide
        yield* tab.show
        yield* tab.until("it is shown", () => document.visibilityState === "visible", undefined)
        yield* tab.evaluate(() => void window.dispatchEvent(new Event("online")), undefined)
        assert.strictEqual(yield* tab.evaluate(() => window.holdfast.history.at(-1)?._tag, undefined), "Ended")
        assert.strictEqual((yield* proxy.stats).accepted, 1)
      })
    )

    it.scoped("finds a connection that has died while it was hidden, soon after it is shown", () =>
      Effect.gen(function* () {
        const { connect, hide, is, proxy, tab } = yield* world(tabs)
        // The deadline is far away: only the question that is asked on waking finds it.
        yield* connect({ helloTimeout: "3 seconds", heartbeatInterval: "30 seconds", readDeadline: "60 seconds" })
        yield* hide
        yield* proxy.silence("up", "down")
        yield* tab.show
        yield* is("Waiting").pipe(Effect.race(is("Connecting")))
        yield* proxy.cut
        yield* proxy.restore
        yield* is("Ready")
        const reasons = yield* tab.evaluate(
          () => window.holdfast.history.flatMap((status) => (status._tag === "Waiting" ? [status.reason._tag] : [])),
          undefined
        )
        assert.strictEqual(reasons[0], "ReadDeadlineExceeded")
      })
    )

    it.scoped("does not begin anew when it has loaded while its client dialled", () =>
      Effect.gen(function* () {
        const { is, proxy, tab, url } = yield* world(tabs)
        yield* proxy.silence("down")
        yield* tab.evaluate((url) => window.holdfast.connect({ url }), url)
        yield* eventually(
          "it dials",
          Effect.map(proxy.stats, ({ accepted }) => accepted === 1)
        )
        yield* tab.evaluate(() => void window.dispatchEvent(new PageTransitionEvent("pageshow")), undefined)
        yield* proxy.restore
        yield* is("Ready")
        assert.strictEqual((yield* proxy.stats).accepted, 1)
      })
    )

    it.scoped("keeps a connection that lives, hidden or shown, though its timers are throttled", () =>
      Effect.gen(function* () {
        const { connect, gateway, hide, proxy, tab } = yield* world(tabs, {
          heartbeatInterval: "200 millis",
          readDeadline: "3 seconds"
        })
        yield* connect({ heartbeatInterval: "200 millis", readDeadline: "3 seconds" })
        yield* hide
        const pings = () => tab.evaluate(() => window.holdfast.stats(), undefined)
        const before = yield* pings()
        yield* Effect.sleep("5 seconds") // the time that a hidden page is given: nothing is waited for
        yield* eventually(
          "it is pinged",
          Effect.map(
            pings(),
            (after) => (after.connection?.messagesIn ?? 0) - (before.connection?.messagesIn ?? 0) > 10
          )
        )
        yield* tab.show
        assert.strictEqual((yield* proxy.stats).accepted, 1)
        assert.strictEqual((yield* gateway.stats).connections, 1)
      })
    )
  })

describeWithChromium("a page of Chromium that is interrupted", () => interruptions(Layer.empty, tabsOfChromium))
describeWithFirefox("a page of Firefox that is interrupted", () => interruptions(Firefox.layer, tabsOfFirefox))

// Firefox caches no page that has a connection, and freezes none.
describeWithChromium("a page that is cached or frozen", () => {
  layer(
    BarePage.layer,
    options
  )((it) => {
    it.scoped("goes on with its session when it comes back out of the browser's back/forward cache", () =>
      Effect.gen(function* () {
        const { connect, handled, is, tab } = yield* world(tabsOfChromium)
        yield* connect({ keep: "test" })
        yield* tab.evaluate(() => window.holdfast.deliver(1), undefined)
        yield* tab.evaluate(() => void location.assign("?elsewhere"), undefined)
        yield* tab.until(
          "it is elsewhere",
          () => location.search === "?elsewhere" && document.readyState === "complete",
          undefined
        )
        yield* tab.evaluate(() => history.back(), undefined)
        yield* tab.until(
          "it is back, as it was left",
          () => location.search === "" && window.holdfast.history.length > 0,
          undefined
        )
        yield* is("Ready")
        yield* tab.evaluate(() => window.holdfast.deliver(2), undefined)
        const generations = yield* tab.evaluate(
          () => window.holdfast.history.flatMap((status) => (status._tag === "Ready" ? [status.generation] : [])),
          undefined
        )
        assert.deepStrictEqual(generations, [1, 2])
        assert.deepStrictEqual(handled, [1, 2])
      })
    )

    it.scoped("judges its connection as soon as it is thawed, and resumes with nothing lost", () =>
      Effect.gen(function* () {
        const { connect, handled, hide, is, tab } = yield* world(tabsOfChromium, {
          heartbeatInterval: "200 millis",
          readDeadline: "1500 millis"
        })
        yield* connect({ heartbeatInterval: "200 millis", readDeadline: "1500 millis" })
        yield* tab.evaluate(() => window.holdfast.deliver(1), undefined)
        yield* hide
        yield* tab.freeze
        yield* Effect.sleep("4 seconds") // how long it is frozen
        yield* tab.resume
        yield* tab.until(
          "it has resumed",
          () => window.holdfast.history.filter(({ _tag }) => _tag === "Ready").length === 2,
          undefined
        )
        yield* is("Ready")
        yield* tab.evaluate(() => window.holdfast.deliver(2), undefined)
        assert.deepStrictEqual(handled, [1, 2])
      })
    )
  })
})
