/** The time in which a session without a connection can be resumed. */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type { SessionStore } from "../../session/SessionStore.js"
import type { FencedStore } from "./fencedStore.js"

interface Services {
  /** `resumeWindow` in milliseconds. */
  readonly options: { readonly resumeWindow: number }
  readonly store: SessionStore["Type"]
  readonly fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<void>
}

export class ResumeWindow {
  private expiry: Fiber.RuntimeFiber<void> | undefined

  constructor(
    private readonly services: Services,
    private readonly id: string,
    private readonly fencedStore: FencedStore
  ) {}

  /** Begins anew: the store is told, and then the session has expired unless the window is closed before. */
  open(expired: () => void): void {
    this.close()
    const { fork, options, store } = this.services
    const { fencedStore, id } = this
    const { resumeWindow } = options
    const window = fencedStore.run((generation) => store.detach(id, generation, resumeWindow))
    // At the last millisecond of the window the session can still be resumed.
    const expire = Effect.map(Effect.sleep(resumeWindow + 1), expired)
    this.expiry = fork(Effect.zipRight(window, expire))
  }

  /** The session is resumed, or over. */
  close(): void {
    this.expiry?.unsafeInterruptAsFork(FiberId.none)
    this.expiry = undefined
  }
}
