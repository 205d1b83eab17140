/**
 * Tabs of one window that a browser really hides, shows and freezes. Playwright's pages are told for ever that they are shown,
 * so this speaks the DevTools protocol itself, and has no more of it than tests need.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync } from "node:fs"
import { rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, type Scope } from "effect"
import { WebSocket } from "ws"
import { chromium, find } from "../gate/needed.js"
import { eventually } from "../node/support.js"
import type { Opens, WindowTab } from "./tab.js"

interface Answer {
  readonly id?: number
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

type Send = <A>(method: string, params?: object, session?: string) => Effect.Effect<A>

export interface ChromiumTab extends WindowTab {
  readonly freeze: Effect.Effect<void>
  /** Thaws it, hidden or not. */
  readonly resume: Effect.Effect<void>
}

/** The answer of a page, or that it comes later. */
interface Evaluated<B> {
  readonly value?: B
  readonly error?: string
  readonly pending?: boolean
}

/** SIGTERM: it ends its own processes, which write into the profile until then. */
const gone = (child: ChildProcess): Effect.Effect<void> =>
  Effect.async((resume) => {
    if (child.exitCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGTERM")
  })

const launched: Effect.Effect<string, never, Scope.Scope> = Effect.gen(function* () {
  const profile = mkdtempSync(join(tmpdir(), "holdfast-chromium-"))
  const child = yield* Effect.acquireRelease(
    Effect.sync(
      (): ChildProcess =>
        spawn(find(chromium) ?? "chromium", [
          "--no-sandbox",
          "--headless=new",
          "--no-first-run",
          "--remote-debugging-port=0",
          `--user-data-dir=${profile}`,
          "about:blank"
        ])
    ),
    (child) =>
      Effect.zipRight(
        gone(child),
        Effect.promise(() => rm(profile, { recursive: true, force: true, maxRetries: 20 }))
      )
  )
  return yield* Effect.async<string>((resume) => {
    let said = ""
    child.stderr?.on("data", (data) => {
      said += data
      const found = /DevTools listening on (\S+)/.exec(said)?.[1]
      if (found !== undefined) resume(Effect.succeed(found))
    })
    child.once("exit", () => resume(Effect.dieMessage(`Chromium did not start:\n${said}`)))
  })
})

const connected = (url: string): Effect.Effect<Send, never, Scope.Scope> =>
  Effect.gen(function* () {
    const socket = yield* Effect.acquireRelease(
      Effect.sync(() => new WebSocket(url)),
      (socket) => Effect.sync(() => socket.terminate())
    )
    yield* Effect.async<void>((resume) => void socket.once("open", () => resume(Effect.void)))
    const waiting = new Map<number, (answer: Answer) => void>()
    let last = 0
    socket.on("message", (data) => {
      const answer: Answer = JSON.parse(String(data))
      if (answer.id === undefined) return
      waiting.get(answer.id)?.(answer)
      waiting.delete(answer.id)
    })
    return <A>(method: string, params: object = {}, sessionId?: string) =>
      Effect.async<A>((resume) => {
        const id = ++last
        waiting.set(id, ({ error, result }) =>
          resume(error === undefined ? Effect.succeed(result as A) : Effect.dieMessage(`${method}: ${error.message}`))
        )
        socket.send(JSON.stringify({ id, method, params, sessionId }))
      })
  })

const tabOf = (send: Send, targetId: string, session: string): ChromiumTab => {
  const lifecycle = (state: "frozen" | "active") => send<void>("Page.setWebLifecycleState", { state }, session)
  /** In one step: a promise that `Runtime.evaluate` awaits may be said to be collected though it resolves. */
  const look = <A>(expression: string) =>
    send<{ readonly result: { readonly value: A }; readonly exceptionDetails?: { readonly text: string } }>(
      "Runtime.evaluate",
      { expression, returnByValue: true, userGesture: true },
      session
    ).pipe(
      Effect.flatMap(({ exceptionDetails, result }) =>
        exceptionDetails === undefined
          ? Effect.succeed(result.value)
          : Effect.dieMessage(`${exceptionDetails.text} ${JSON.stringify(result)}`)
      )
    )
  let asked = 0
  const evaluate: ChromiumTab["evaluate"] = <A, B>(run: (argument: A) => B | Promise<B>, argument: A) =>
    Effect.gen(function* () {
      const answer = `globalThis["answer ${++asked}"]`
      const first = yield* look<Evaluated<B>>(`(() => {
        const value = (${run})(${JSON.stringify(argument)})
        if (!(value instanceof Promise)) return { value }
        const settled = (fields) => { ${answer} = fields }
        value.then((value) => settled({ value }), (error) => settled({ error: String(error?.stack ?? error) }))
        return { pending: true }
      })()`)
      let found = first
      if (found.pending === true) {
        yield* eventually(
          `the page's promise of ${run}`,
          Effect.map(look<Evaluated<B> | undefined>(answer), (settled) => {
            if (settled !== undefined) found = settled
            return settled !== undefined
          })
        )
      }
      if (found.error !== undefined) return yield* Effect.dieMessage(found.error)
      return found.value as B // `undefined` is no property of what comes by value
    })
  return {
    show: send("Target.activateTarget", { targetId }),
    freeze: lifecycle("frozen"),
    resume: lifecycle("active"),
    evaluate,
    until: (what, condition, argument) => eventually(what, evaluate(condition, argument))
  }
}

/** Opens tabs in a browser of their own; the one opened last is shown, the others are hidden. */
export const tabs: Effect.Effect<Opens<ChromiumTab>, never, Scope.Scope> = Effect.gen(function* () {
  const send = yield* connected(yield* launched)
  return {
    open: (url) =>
      Effect.gen(function* () {
        const { targetId } = yield* send<{ readonly targetId: string }>("Target.createTarget", { url })
        const { sessionId } = yield* send<{ readonly sessionId: string }>("Target.attachToTarget", {
          targetId,
          flatten: true
        })
        const tab = tabOf(send, targetId, sessionId)
        const isLoaded = (wanted: string) => location.href === wanted && document.readyState === "complete"
        yield* tab.until("it is loaded", isLoaded, url)
        return tab
      })
  }
})
