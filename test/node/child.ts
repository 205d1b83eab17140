/** A part of a test in a process of its own, asked over IPC: `start` here, `answer` there. */
import { fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Cause, Deferred, Effect, Exit, type Scope } from "effect"

export interface Child {
  readonly pid: number
  /** Runs what the child answers this with; bound the wait with the test's own time. */
  readonly ask: <A>(question: string, about?: unknown) => Effect.Effect<A>
}

interface Question {
  readonly id: number
  readonly question: string
  readonly about: unknown
}

type Answer = { readonly id: number } & ({ readonly answer: unknown } | { readonly failure: string })

/** Starts a module of this folder; the scope kills it. */
export const start = (
  module: string,
  options: { readonly node?: ReadonlyArray<string> } = {}
): Effect.Effect<Child, never, Scope.Scope> =>
  Effect.gen(function* () {
    const child = fork(fileURLToPath(new URL(module, import.meta.url)), [], {
      execArgv: ["--import", "tsx", ...(options.node ?? [])],
      stdio: ["ignore", 2, 2, "ipc"]
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

/** In the child: what it can be asked, for as long as the parent lives. */
export const answer = (answers: Readonly<Record<string, (about: never) => Effect.Effect<unknown, unknown>>>): void => {
  process.on("message", ({ about, id, question }: Question) => {
    const found = answers[question] ?? (() => Effect.dieMessage("no such question"))
    Effect.runCallback(
      Effect.suspend(() => found(about as never)),
      {
        onExit: (exit) => {
          const said: Answer = Exit.isSuccess(exit)
            ? { id, answer: exit.value }
            : { id, failure: Cause.pretty(exit.cause) }
          process.send?.(said)
        }
      }
    )
  })
  process.on("disconnect", () => process.exit())
}
