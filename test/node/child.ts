/** A part of a test in a process of its own, asked over IPC: it answers by `answers.ts`. */
import { fork } from "node:child_process"
import { Deferred, Effect, type Scope } from "effect"
import { program } from "../support/programs.js"
import type { Answer, Question } from "./answers.js"

export interface Child {
  readonly pid: number
  /** Runs what the child answers this with; bound the wait with the test's own time. */
  readonly ask: <A>(question: string, about?: unknown) => Effect.Effect<A>
}

/** Starts a module of this folder; the scope kills it. */
export const start = (
  module: string,
  options: { readonly node?: ReadonlyArray<string>; readonly env?: Readonly<Record<string, string>> } = {}
): Effect.Effect<Child, never, Scope.Scope> =>
  Effect.gen(function* () {
    const child = fork(yield* program(new URL(`../programs/${module}`, import.meta.url)), [], {
      execArgv: [...(options.node ?? [])],
      stdio: ["ignore", 2, 2, "ipc"],
      env: { ...process.env, ...options.env }
    })
    const waiting = new Map<number, (answer: Answer) => void>()
    const exited = yield* Deferred.make<never>()
    child.on("message", (answer: Answer) => waiting.get(answer.id)?.(answer))
    child.on("exit", (code, signal) =>
      Deferred.unsafeDone(exited, Effect.dieMessage(`${module} ended with ${code ?? signal}`))
    )
    yield* Effect.addFinalizer(() =>
      Effect.zipRight(
        Effect.sync(() => child.kill("SIGKILL")),
        Effect.exit(Deferred.await(exited))
      )
    )
    let last = 0
    const ask = <A>(question: string, about?: unknown) =>
      Effect.async<A>((resume) => {
        const id = ++last
        waiting.set(id, (answer) => {
          waiting.delete(id)
          resume(
            "failure" in answer
              ? Effect.dieMessage(`${module}, asked for ${question}: ${answer.failure}`)
              : Effect.succeed(answer.answer as A) // the child's own module says what it answers
          )
        })
        child.send({ id, question, about } satisfies Question)
      }).pipe(Effect.raceFirst(Deferred.await(exited)))
    return { pid: child.pid ?? 0, ask }
  })
