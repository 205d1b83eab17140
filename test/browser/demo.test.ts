import { assert, type Vitest } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import * as SlowProxy from "../node/slowProxy.js"
import { layer } from "../support/layer.js"
import { limit } from "../support/patience.js"
import { Chromium, windows as windowsOfChromium } from "./chromium.js"
import {
  DemoGateway,
  heartbeat,
  lines,
  numbered,
  press,
  room,
  say,
  sayAll,
  text,
  texts,
  untilLines,
  untilStatus,
  untilText
} from "./demo.js"
import { Firefox, windows as windowsOfFirefox } from "./firefox.js"
import { describeWithChromium, describeWithFirefox } from "./gate.js"
import { gatewayProcess } from "./gateway.js"
import type { Opens, Tab, UsedTab } from "./tab.js"

/** Of who is silenced: longer than a starved page keeps quiet. */
const deadline = 10_000

const options = { excludeTestServices: true, timeout: limit } as const

/** In each browser. */
const mainPaths = <R>(
  it: Vitest.MethodsNonLive<R | DemoGateway, true>,
  windows: Effect.Effect<Opens<UsedTab>, never, R | Scope.Scope>
) => {
  it.scoped("is a chat: what one says, the other reads, in order, and who says it sees it processed", () =>
    Effect.gen(function* () {
      const enter = yield* room(windows, "chat")
      const ann = yield* enter("ann")
      const bob = yield* enter("bob")
      yield* sayAll(ann, numbered(1, 5))
      yield* untilLines(bob, 5)
      yield* say(bob, "line 6")
      for (const page of [ann, bob]) {
        yield* untilLines(page, 6)
        assert.deepStrictEqual(yield* lines(page), numbered(1, 6))
      }
      assert.deepStrictEqual(yield* texts(ann, '[data-testid="line-state"]'), Array(5).fill("✓ processed"))
      yield* untilText(ann, "acknowledged", "5")
      yield* ann.until(
        "bob is shown as present",
        () => document.querySelector('[data-testid="members"]')?.textContent?.includes("bob") === true,
        undefined
      )
    })
  )

  it.scoped("shows a cut that is resumed: nothing is lost, and nothing comes twice", () =>
    Effect.gen(function* () {
      const enter = yield* room(windows, "cut")
      const ann = yield* enter("ann")
      const bob = yield* enter("bob")
      const session = yield* text(ann, "session")
      yield* sayAll(ann, numbered(1, 3))
      yield* press(ann, "fault-cut")
      yield* sayAll(ann, numbered(4, 6))
      yield* say(bob, "line 7")
      yield* untilText(ann, "generation", "2")
      yield* untilStatus(ann, "Ready")
      for (const page of [ann, bob]) {
        yield* untilLines(page, 7)
        assert.sameMembers([...(yield* lines(page))], numbered(1, 7))
      }
      assert.deepStrictEqual(yield* lines(ann), yield* lines(bob))
      assert.strictEqual(yield* text(ann, "session"), session)
      assert.strictEqual(yield* text(ann, "start"), "Resumed")
      assert.strictEqual(yield* text(bob, "generation"), "1")
    })
  )

  it.scoped("shows a silence that is found at the deadline, and resumed with nothing lost", () =>
    Effect.gen(function* () {
      const enter = yield* room(windows, "silence")
      const ann = yield* enter("ann", `heartbeat=${heartbeat}&deadline=${deadline}`)
      const bob = yield* enter("bob")
      yield* press(ann, "fault-silence")
      const begun = performance.now()
      yield* sayAll(ann, numbered(1, 3))
      yield* say(bob, "line 4")
      yield* untilText(ann, "generation", "2")
      // At the deadline, which was moved by a heartbeat's answer just before at the latest, and after the first delay.
      assert.isAtLeast(performance.now() - begun, deadline - 2 * heartbeat)
      for (const page of [ann, bob]) {
        yield* untilLines(page, 4)
        assert.sameMembers([...(yield* lines(page))], numbered(1, 4))
      }
      assert.strictEqual(yield* text(ann, "start"), "Resumed")
      yield* untilText(ann, "replayed", "3")
    })
  )

  it.scoped("resumes when it is loaded again, and what was said just before is said", () =>
    Effect.gen(function* () {
      const enter = yield* room(windows, "reloaded")
      const ann = yield* enter("ann")
      const bob = yield* enter("bob")
      const session = yield* text(ann, "session")
      yield* press(ann, "fault-silence")
      yield* sayAll(ann, numbered(1, 3))
      yield* ann.reload
      yield* untilStatus(ann, "Ready")
      assert.strictEqual(yield* text(ann, "session"), session)
      assert.strictEqual(yield* text(ann, "start"), "Resumed")
      for (const page of [ann, bob]) {
        yield* untilLines(page, 3)
        assert.deepStrictEqual(yield* lines(page), numbered(1, 3))
      }
    })
  )

  it.scoped("has a session of its own in a tab that was duplicated", () =>
    Effect.gen(function* () {
      const enter = yield* room(windows, "duplicated")
      const ann = yield* enter("ann")
      const session = yield* text(ann, "session")
      const copy = yield* ann.duplicate
      yield* untilStatus(copy, "Ready")
      assert.notStrictEqual(yield* text(copy, "session"), session)
      yield* say(copy, "line 1")
      yield* say(ann, "line 2")
      for (const page of [ann, copy]) yield* untilLines(page, 2)
      assert.strictEqual(yield* text(ann, "generation"), "1")
      assert.strictEqual(yield* text(ann, "session"), session)
    })
  )
}

declare global {
  interface Window {
    /** Bytes of the upload that have arrived, each time that the page shows others. */
    uploaded: Array<number>
  }
}

/** Fills `uploaded` in the page. */
const noteUpload = (page: Tab) =>
  page.evaluate(() => {
    const received: Array<number> = []
    window.uploaded = received
    const look = () => {
      const shown = document.querySelector('[data-testid="upload-state"]')?.textContent ?? ""
      const bytes = Number(/^([\d,]+) of/.exec(shown)?.[1]?.replaceAll(",", "") ?? Number.NaN)
      if (!Number.isNaN(bytes) && received.at(-1) !== bytes) received.push(bytes)
    }
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true })
  }, undefined)

describeWithChromium("the demo page in Chromium", () => {
  layer(
    Layer.merge(Chromium.layer, DemoGateway.layer),
    options
  )((it) => {
    mainPaths(it, windowsOfChromium)

    it.scoped("shows a slow way by its round trips, and stays on it", () =>
      Effect.gen(function* () {
        const enter = yield* room(windowsOfChromium, "slow")
        const ann = yield* enter("ann")
        yield* press(ann, "fault-slow")
        yield* ann.until(
          "a round trip of 3 s or more",
          () =>
            /^([3-9]\d{3} ms|[3-9]\.\d s)$/.test(
              document.querySelector('[data-testid="round-trip"]')?.textContent ?? ""
            ),
          undefined
        )
        yield* say(ann, "slowly")
        yield* untilLines(ann, 1)
        assert.strictEqual(yield* text(ann, "generation"), "1")
      })
    )

    it.scoped("waits while it is refused, and comes back when it is not any more", () =>
      Effect.gen(function* () {
        const enter = yield* room(windowsOfChromium, "refused")
        const ann = yield* enter("ann")
        const bob = yield* enter("bob")
        yield* press(ann, "fault-refuse")
        yield* untilStatus(ann, "Waiting")
        yield* say(ann, "said while refused")
        yield* say(bob, "to whom it may concern")
        yield* press(ann, "fault-heal")
        yield* untilText(ann, "fault", "Nothing is broken on purpose.")
        yield* press(ann, "reconnect").pipe(Effect.raceFirst(untilStatus(ann, "Ready")))
        yield* untilStatus(ann, "Ready")
        yield* untilLines(ann, 2)
        yield* untilLines(bob, 2)
        assert.strictEqual(yield* text(ann, "start"), "Resumed")
      })
    )

    it.scoped(
      "says that its session is lost when the gateway was killed and started anew, and goes on in a new one",
      () =>
        Effect.gen(function* () {
          const gateway = yield* gatewayProcess()
          const enter = yield* room(windowsOfChromium, "killed", gateway)
          const ann = yield* enter("ann")
          yield* say(ann, "line 1")
          yield* untilLines(ann, 1)
          const session = yield* text(ann, "session")
          yield* gateway.kill
          yield* untilStatus(ann, "Waiting")
          yield* say(ann, "line 2")
          yield* gateway.start
          yield* untilText(ann, "start", "Reset")
          yield* untilStatus(ann, "Ready")
          assert.notStrictEqual(yield* text(ann, "session"), session)
          yield* say(ann, "line 3")
          yield* ann.until(
            "the third line is processed",
            () => document.querySelectorAll('[data-testid="line-state"][data-state="Processed"]').length >= 2,
            undefined
          )
          assert.includeMembers([...(yield* lines(ann))], ["line 2", "line 3"])
        })
    )

    it.scoped("shows an upload that goes on where it was after a cut, and arrives once", () =>
      Effect.gen(function* () {
        const { port } = yield* DemoGateway
        // Four seconds, and the while in which there is no connection.
        const proxy = yield* SlowProxy.make(port, 250_000)
        const enter = yield* room(windowsOfChromium, "upload", proxy)
        const ann = yield* enter("ann")
        yield* noteUpload(ann)
        const before = proxy.carried.up
        yield* press(ann, "upload")
        yield* ann.until("the half of it has arrived", () => (window.uploaded.at(-1) ?? 0) > 500_000, undefined)
        yield* press(ann, "fault-cut")
        yield* untilText(ann, "upload-state", "✓ arrived")
        const all = yield* ann.evaluate(() => window.uploaded, undefined)
        assert.deepStrictEqual(
          all,
          [...all].sort((one, other) => one - other),
          "the bar never goes back"
        )
        assert.isAbove(all.length, 4)
        assert.strictEqual(yield* text(ann, "generation"), "2")
        assert.strictEqual(yield* text(ann, "start"), "Resumed")
        assert.isBelow(proxy.carried.up - before, 1_300_000)
        yield* untilLines(ann, 1)
        assert.deepStrictEqual(yield* lines(ann), ["(uploaded 1,000,000 characters)"])
      })
    )

    it.scoped("can be used by the keyboard alone", () =>
      Effect.gen(function* () {
        const enter = yield* room(windowsOfChromium, "keyboard")
        const ann = yield* enter("ann")
        const reach = (id: string, presses = 0): Effect.Effect<void> =>
          Effect.gen(function* () {
            if (presses === 30) yield* Effect.dieMessage(`Tab does not come to ${id}`)
            yield* ann.press("Tab")
            const isThere = (id: string) => document.activeElement?.getAttribute("data-testid") === id
            if (!(yield* ann.evaluate(isThere, id))) yield* reach(id, presses + 1)
          })
        yield* reach("say")
        yield* ann.type("typed")
        yield* ann.press("Enter")
        yield* untilLines(ann, 1)
        yield* reach("fault-cut")
        yield* ann.press("Space")
        yield* untilText(ann, "generation", "2")
      })
    )
  })
})

describeWithFirefox("the demo page in Firefox", () => {
  layer(Layer.merge(Firefox.layer, DemoGateway.layer), options)((it) => mainPaths(it, windowsOfFirefox))
})
