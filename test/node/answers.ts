/** The child's side of `child.ts`. */
import { Cause, Effect, Exit } from "effect"

export interface Question {
  readonly id: number
  readonly question: string
  readonly about: unknown
}

export type Answer = { readonly id: number } & ({ readonly answer: unknown } | { readonly failure: string })

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
