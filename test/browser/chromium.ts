/** One Chromium for the tests of a file, and a profile of its own for each of them. */
import { Context, Effect, Layer, type Scope } from "effect"
import { type Browser, type BrowserContext, type ConsoleMessage, chromium as driver, type Page } from "playwright-core"
import { chromium, find } from "../gate/needed.js"
import { longest } from "../support/patience.js"
import { consoles } from "./consoles.js"
import type { UsedTab, Watched } from "./tab.js"

export class Chromium extends Context.Tag("test/Chromium")<Chromium, Browser>() {
  static readonly layer = Layer.scoped(
    Chromium,
    Effect.acquireRelease(
      Effect.promise(() =>
        driver.launch({ executablePath: find(chromium) ?? "chromium", args: ["--no-sandbox"], timeout: longest })
      ),
      (browser) => Effect.promise(() => browser.close())
    )
  )
}

/** What the browser itself logs of a request or a connection that failed: it is no message of the page's, so it has no arguments. */
const isOfTheNetwork = (message: ConsoleMessage): boolean =>
  message.args().length === 0 && /^(Failed to load resource|WebSocket connection to '.*' failed)/.test(message.text())

export interface Profile {
  readonly context: BrowserContext
  /** What the pages' consoles show. */
  readonly console: ReadonlyArray<string>
  /** Opens a page in a tab of its own. */
  readonly open: (url: string) => Effect.Effect<Page>
}

/** A profile without cookies or storage. The test fails when a page of it had an error. */
export const profile: Effect.Effect<Profile, never, Chromium | Scope.Scope> = Effect.gen(function* () {
  const browser = yield* Chromium
  const { fail, show, shown } = yield* consoles
  const context = yield* Effect.acquireRelease(
    Effect.promise(() => browser.newContext()),
    (context) => Effect.promise(() => context.close())
  )
  context.setDefaultTimeout(longest)
  context.on("weberror", (webError) => {
    const error = webError.error()
    fail(error.stack ?? error.message)
    show("uncaught", error.stack ?? error.message)
  })
  context.on("console", (message) => {
    show(message.type(), message.text())
    if (message.type() === "error" && !isOfTheNetwork(message)) fail(message.text())
  })
  return {
    context,
    console: shown,
    open: (url) =>
      Effect.promise(async () => {
        const page = await context.newPage()
        await page.goto(url)
        return page
      })
  }
})

/** Runs a function in the page. It takes nothing along but its argument. */
export const inPage = <A, B>(page: Page, run: (argument: A) => B | Promise<B>, argument: A): Effect.Effect<B> =>
  // Playwright's own types unpack handles of what is in the page, which no test gives here.
  Effect.promise(() => (page.evaluate as (run: unknown, argument: A) => Promise<B>)(run, argument))

/** Waits until it is so in the page. */
export const until = <A>(
  page: Page,
  what: string,
  condition: (argument: A) => boolean,
  argument: A
): Effect.Effect<void> =>
  Effect.tryPromise({
    try: () =>
      (
        page.waitForFunction as (
          condition: unknown,
          argument: A,
          options: { readonly polling: number }
        ) => Promise<unknown>
      )(condition, argument, { polling: 10 }),
    catch: (cause) => new Error(`the page did not come to it: ${what}`, { cause })
  }).pipe(Effect.orDie, Effect.asVoid)

const tabOf = (page: Page): UsedTab => ({
  evaluate: (run, argument) => inPage(page, run, argument),
  until: (what, condition, argument) => until(page, what, condition, argument),
  click: (selector) => Effect.promise(() => page.click(selector)),
  type: (text) => Effect.promise(() => page.keyboard.type(text)),
  press: (key) => Effect.promise(() => page.keyboard.press(key)),
  reload: Effect.promise(() => page.reload()),
  duplicate: Effect.promise(async () => {
    const [copy] = await Promise.all([page.waitForEvent("popup"), page.evaluate(() => void window.open(location.href))])
    return tabOf(copy)
  })
})

/** A profile whose pages all are shown: Playwright tells them so for ever. */
export const windows: Effect.Effect<Watched<UsedTab>, never, Chromium | Scope.Scope> = Effect.map(
  profile,
  ({ console, open }) => ({
    console,
    open: (url) => Effect.map(open(url), tabOf)
  })
)
