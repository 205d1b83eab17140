/** One Firefox for the tests of a file, driven over WebDriver BiDi, and a profile of its own for each of them. */
import { Context, Effect, Layer, type Scope } from "effect"
import puppeteer, { type Browser, type Page } from "puppeteer-core"
import { find, firefox } from "../gate/needed.js"
import { limit, longest, patiently } from "../support/patience.js"
import { type Consoles, consoles } from "./consoles.js"
import type { UsedTab, Watched, WindowTab } from "./tab.js"

export class Firefox extends Context.Tag("test/Firefox")<Firefox, Browser>() {
  static readonly layer = Layer.scoped(
    Firefox,
    Effect.acquireRelease(
      Effect.promise(() =>
        puppeteer.launch({
          browser: "firefox",
          executablePath: find(firefox) ?? "firefox",
          headless: true,
          timeout: longest,
          protocolTimeout: limit, // what waits has a bound of its own
          defaultViewport: { width: 1280, height: 720 } // as Playwright has it
        })
      ),
      (browser) => Effect.promise(() => browser.close())
    )
  )
}

export interface FirefoxTab extends UsedTab, WindowTab {}

/** What the browser itself says of a connection that failed: Puppeteer takes it for an error of the page's. */
const isOfTheNetwork = (error: string): boolean =>
  /^(Firefox can’t establish a connection to the server at|The connection to) wss?:/.test(error)

/** Shows the page's console in the test's, and its errors. */
const watch = (page: Page, { fail, show }: Consoles): void => {
  page.on("pageerror", (error) => {
    const { message, stack = message } = error instanceof Error ? error : new Error(String(error))
    show("uncaught", stack)
    if (!isOfTheNetwork(message)) fail(stack)
  })
  page.on("console", (message) => {
    show(message.type(), message.text())
    if (message.type() === "error") fail(message.text())
  })
}

const tabOf = (page: Page, watched: Consoles): FirefoxTab => {
  watch(page, watched)
  page.setDefaultTimeout(longest)
  // Puppeteer's own types unpack handles of what is in the page, which no test gives here.
  const evaluate = page.evaluate.bind(page) as (run: unknown, argument: unknown) => Promise<never>
  const waitFor = page.waitForFunction.bind(page) as (run: unknown, how: object, argument: unknown) => Promise<unknown>
  return {
    evaluate: (run, argument) => Effect.promise(() => evaluate(run, argument)),
    until: (what, condition, argument) =>
      patiently(what, Effect.asVoid(Effect.promise(() => waitFor(condition, { polling: 10, timeout: 0 }, argument)))),
    // A person clicks what is shown; in a hidden tab nothing is drawn, and Puppeteer waits for that.
    click: (selector) => Effect.promise(() => page.bringToFront().then(() => page.locator(selector).click())),
    type: (text) => Effect.promise(() => page.keyboard.type(text)),
    press: (key) => Effect.promise(() => page.keyboard.press(key)),
    reload: Effect.promise(() => page.reload()),
    duplicate: Effect.promise(async () => {
      const opened = new Promise<Page | null>((resume) => page.once("popup", resume))
      await page.evaluate(() => void window.open(location.href))
      const copy = await opened
      if (copy === null) throw new Error("the page opened no tab")
      return tabOf(copy, watched)
    }),
    show: Effect.promise(() => page.bringToFront())
  }
}

const opens = (type: "tab" | "window"): Effect.Effect<Watched<FirefoxTab>, never, Firefox | Scope.Scope> =>
  Effect.gen(function* () {
    const browser = yield* Firefox
    const watched = yield* consoles
    const context = yield* Effect.acquireRelease(
      Effect.promise(() => browser.createBrowserContext()),
      (context) => Effect.promise(() => context.close())
    )
    return {
      console: watched.shown,
      open: (url) =>
        Effect.promise(async () => {
          const page = await context.newPage({ type })
          const tab = tabOf(page, watched)
          await page.goto(url)
          return tab
        })
    }
  })

/** A profile whose pages all are shown, each in a window of its own. */
export const windows = opens("window")

/** A profile whose pages are tabs of one window: the one opened last is shown, the others are hidden. */
export const tabs = opens("tab")
