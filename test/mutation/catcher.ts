/** What may notice a fault. */

/**
 * - `Caught`: it noticed, and this is what it said.
 * - `Missed`: everything passed.
 * - `Broken`: it could not be run, which proves nothing.
 */
export type Finding =
  | { readonly _tag: "Caught"; readonly by: string }
  | { readonly _tag: "Missed" }
  | { readonly _tag: "Broken"; readonly why: string }

export interface Catcher {
  readonly name: string
  /** Looks in a copy of the tree. */
  readonly look: (copy: string) => Promise<Finding>
}

/** The last lines of an output. */
export const tail = (output: string, lines: number): string => output.trim().split("\n").slice(-lines).join("\n")
