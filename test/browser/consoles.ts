/** What the pages of a test show in their consoles, and the errors that they had. */
import { Effect, Exit, type Scope } from "effect"

export interface Consoles {
  readonly shown: ReadonlyArray<string>
  readonly show: (kind: string, text: string) => void
  /** An error of a page's own. */
  readonly fail: (error: string) => void
}

/**
 * The test fails when the scope closes and a page had an error; one that fails for whatever reason shows the consoles. It closes
 * after what is acquired later, the pages among it.
 */
export const consoles: Effect.Effect<Consoles, never, Scope.Scope> = Effect.gen(function* () {
  const errors: Array<string> = []
  const shown: Array<string> = []
  const begun = performance.now()
  yield* Effect.addFinalizer((exit) =>
    Effect.suspend(() => {
      const all = `The pages' consoles:\n${shown.join("\n")}\n`
      if (errors.length > 0) return Effect.dieMessage(`the page had errors:\n${errors.join("\n")}\n\n${all}`)
      if (Exit.isFailure(exit)) process.stderr.write(all)
      return Effect.void
    })
  )
  return {
    shown,
    show: (kind, text) => void shown.push(`${((performance.now() - begun) / 1000).toFixed(3)} ${kind}: ${text}`),
    fail: (error) => void errors.push(error)
  }
})
