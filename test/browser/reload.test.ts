import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { Page } from "playwright-core"
import { upTo } from "../node/support.js"
import { inPage, until } from "./chromium.js"
import { describeWithChromium } from "./gate.js"
import { inBrowser, starts, untilStatus, world } from "./support.js"

const keep = "test"

const sessionOf = (page: Page) =>
  inPage(
    page,
    () => {
      const latest = window.holdfast.history.at(-1)
      return latest?._tag === "Ready" ? latest.session : "not ready"
    },
    undefined
  )

const untilReceived = (page: Page, count: number) =>
  until(page, `${count} messages are there`, (wanted) => window.holdfast.received.length >= wanted, count)

describeWithChromium("a page that keeps its session", () => {
  inBrowser((it) => {
    for (const codec of ["json", "msgpack"] as const) {
      it.scoped(`resumes it when it is loaded again, and what had not been delivered is (${codec})`, () =>
        Effect.gen(function* () {
          const { connect, ended, handled, page, proxy } = yield* world()
          yield* connect({ keep, codec })
          const session = yield* sessionOf(page)
          yield* inPage(page, () => window.holdfast.deliver(1), undefined)
          yield* untilReceived(page, 1)
          // These are accepted, and nothing passes.
          yield* proxy.silence("up", "down")
          yield* inPage(
            page,
            async () => {
              for (let n = 2; n <= 50; n++) await window.holdfast.send(n)
            },
            undefined
          )
          yield* Effect.promise(() => page.reload())
          yield* proxy.cut
          yield* proxy.restore
          yield* connect({ keep, codec })
          assert.strictEqual(yield* sessionOf(page), session)
          assert.deepStrictEqual(yield* starts(page), ["Resumed"])
          yield* untilReceived(page, 49)
          assert.deepStrictEqual(handled, upTo(50))
          assert.deepStrictEqual(
            yield* inPage(page, () => window.holdfast.received, undefined),
            upTo(50).filter((n) => n > 1)
          )
          assert.deepStrictEqual(ended, [])
        })
      )
    }

    it.scoped("resumes it many times over, whatever it is in the middle of", () =>
      Effect.gen(function* () {
        const { connect, gateway, handled, page } = yield* world()
        yield* connect({ keep })
        const session = yield* sessionOf(page)
        for (let round = 0; round < 10; round++) {
          yield* inPage(
            page,
            async (first) => {
              for (let n = first; n < first + 10; n++) await window.holdfast.send(n)
            },
            round * 10 + 1
          )
          yield* Effect.promise(() => page.reload())
          yield* connect({ keep })
        }
        assert.strictEqual(yield* sessionOf(page), session)
        yield* inPage(page, () => window.holdfast.deliver(101), undefined)
        assert.deepStrictEqual(handled, upTo(101))
        assert.strictEqual((yield* gateway.stats).sessions, 1)
      })
    )

    it.scoped("begins a new one after `close`, and without the option", () =>
      Effect.gen(function* () {
        const { connect, page } = yield* world()
        yield* connect({ keep })
        yield* inPage(page, () => window.holdfast.close(), undefined)
        yield* Effect.promise(() => page.reload())
        yield* connect({ keep })
        assert.deepStrictEqual(yield* starts(page), ["Fresh"])
        yield* Effect.promise(() => page.reload())
        yield* connect()
        assert.deepStrictEqual(yield* starts(page), ["Fresh"])
      })
    )

    it.scoped("has it to itself: a tab that is duplicated begins its own, and both go on after a reload", () =>
      Effect.gen(function* () {
        const { connect, page, url } = yield* world()
        yield* connect({ keep })
        const session = yield* sessionOf(page)
        // A tab that a page opens has a copy of its storage, as a duplicate of the tab has.
        const [copy] = yield* Effect.promise(() =>
          Promise.all([page.context().waitForEvent("page"), page.evaluate(() => void window.open(location.href))])
        )
        yield* Effect.promise(() => copy.waitForLoadState())
        const inStorage = (tab: Page) => inPage(tab, () => Object.keys(sessionStorage).length, undefined)
        assert.isAbove(yield* inStorage(copy), 0)
        const join = (tab: Page) =>
          Effect.zipRight(
            inPage(tab, (options) => window.holdfast.connect(options), { url, keep }),
            untilStatus(tab, "Ready")
          )
        yield* join(copy)
        const own = yield* sessionOf(copy)
        assert.notStrictEqual(own, session)
        assert.deepStrictEqual(yield* starts(copy), ["Fresh"])
        for (const [tab, expected] of [
          [copy, own],
          [page, session],
          [copy, own]
        ] as const) {
          yield* Effect.promise(() => tab.reload())
          yield* join(tab)
          assert.strictEqual(yield* sessionOf(tab), expected)
        }
        // Neither took the other's: each has had one connection after the other, and none was taken over.
        assert.deepStrictEqual(yield* starts(page), ["Resumed"])
        assert.strictEqual(yield* inPage(page, () => window.holdfast.history.at(-1)?._tag, undefined), "Ready")
      })
    )

    it.scoped("has it to itself, too, when its storage was copied before anybody had claimed what is in it", () =>
      Effect.gen(function* () {
        const { connect, page, url } = yield* world()
        yield* connect({ keep })
        const session = yield* sessionOf(page)
        // The page is loaded again, and its client is not made yet.
        yield* Effect.promise(() => page.reload())
        const [copy] = yield* Effect.promise(() =>
          Promise.all([page.context().waitForEvent("page"), page.evaluate(() => void window.open(location.href))])
        )
        yield* Effect.promise(() => copy.waitForLoadState())
        const both = [page, copy]
        yield* Effect.forEach(
          both,
          (tab) => inPage(tab, (options) => window.holdfast.connect(options), { url, keep }),
          { concurrency: 2 }
        )
        yield* Effect.forEach(both, (tab) => untilStatus(tab, "Ready"))
        const sessions = yield* Effect.forEach(both, sessionOf)
        assert.strictEqual(new Set(sessions).size, 2)
        assert.include(sessions, session)
      })
    )

    it.scoped("comes back to it by the browser's Back, however the browser keeps the page", () =>
      Effect.gen(function* () {
        const { connect, handled, page, url } = yield* world()
        yield* connect({ keep })
        const session = yield* sessionOf(page)
        yield* inPage(page, () => window.holdfast.deliver(1), undefined)
        yield* Effect.promise(() => page.goto(`${page.url()}?elsewhere`))
        yield* Effect.promise(() => page.goBack())
        // Out of the cache it is as it was left, and comes back by itself; else it is loaded again.
        const isCached = yield* inPage(page, () => window.holdfast.history.length > 0, undefined)
        if (!isCached) yield* inPage(page, (options) => window.holdfast.connect(options), { url, keep })
        yield* untilStatus(page, "Ready")
        assert.strictEqual(yield* sessionOf(page), session)
        yield* inPage(page, () => window.holdfast.deliver(2), undefined)
        assert.deepStrictEqual(handled, [1, 2])
      })
    )

    it.scoped("says that it cannot keep it when the storage is full, and goes on without", () =>
      Effect.gen(function* () {
        const { connect, handled, page } = yield* world()
        yield* inPage(
          page,
          () => {
            for (let size = 8 * 1024 * 1024; size >= 1; size /= 2) {
              try {
                for (let n = 0; ; n++) sessionStorage.setItem(`ballast ${size} ${n}`, "x".repeat(size))
              } catch {
                // Full, for items of this size.
              }
            }
          },
          undefined
        )
        yield* connect({ keep })
        yield* inPage(page, () => window.holdfast.deliver(1), undefined)
        assert.deepStrictEqual(handled, [1])
        const told = yield* inPage(page, () => window.holdfast.events.map(({ _tag }) => _tag), undefined)
        assert.deepStrictEqual(told, ["NotKept"])
        const left = yield* inPage(
          page,
          () => Object.keys(sessionStorage).filter((key) => !key.startsWith("ballast")),
          undefined
        )
        assert.deepStrictEqual(left, [])
      })
    )
  })
})
