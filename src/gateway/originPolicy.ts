/** From which pages browsers may connect. */
import * as Effect from "effect/Effect"
import { InvalidOption } from "../protocol/ConnectionError.js"

/** The form of an origin: RFC 6454 §6.2, in lower case, without a path. `null` is what a sandboxed page or a file sends. */
const anOrigin = /^(null|[a-z][a-z0-9+.-]*:\/\/[^/?#\sA-Z]+)$/

/** Origins of which it is told that they were refused: anybody may send any. */
const mostTold = 10

export class OriginPolicy {
  private readonly told = new Set<string>()

  private constructor(private readonly allowed: ReadonlyArray<string> | undefined) {}

  static make(allowed: ReadonlyArray<string> | undefined): Effect.Effect<OriginPolicy, InvalidOption> {
    const wrong = allowed?.find((origin) => !anOrigin.test(origin))
    if (wrong === undefined) return Effect.succeed(new OriginPolicy(allowed))
    const rule = 'origins as browsers send them, without a path or a slash at the end, such as "https://example.com"'
    return Effect.fail(new InvalidOption({ option: "origins", value: JSON.stringify(wrong), rule }))
  }

  /** A request without the header is not a browser's. */
  allows(origin: string | undefined): boolean {
    return this.allowed === undefined || origin === undefined || this.allowed.includes(origin)
  }

  /** Says once that a page's origin was refused: its browser tells nobody why. */
  tell(origin: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.told.has(origin) || this.told.size >= mostTold) return Effect.void
      this.told.add(origin)
      const allowed = JSON.stringify(this.allowed ?? [])
      return Effect.logWarning(`holdfast: pages of ${origin} may not connect here: \`origins\` is ${allowed}`)
    })
  }
}
