/** What a page has, in memory: a tab's storage, the page's events, its origin's locks. */
import { Clock, Effect, Exit, Scope } from "effect"
import type { SessionKeeper } from "holdfast"
import { open } from "../../../src/browser/internal/storageKeeper.js"

/** A tab's storage, which fails where a test says so. */
export class FakeStorage implements Storage {
  readonly [name: string]: unknown
  readonly items: Map<string, string>
  /** Throws, or does nothing. */
  onWrite: (name: string, value: string) => void = () => {}
  onRead: (name: string) => void = () => {}
  writes = 0

  constructor(from: Iterable<readonly [string, string]> = []) {
    this.items = new Map(from)
  }

  get length(): number {
    return this.items.size
  }

  key(index: number): string | null {
    return [...this.items.keys()][index] ?? null
  }

  getItem(name: string): string | null {
    this.onRead(name)
    return this.items.get(name) ?? null
  }

  setItem(name: string, value: string): void {
    this.onWrite(name, value)
    this.writes++
    this.items.set(name, value)
  }

  removeItem(name: string): void {
    this.items.delete(name)
  }

  clear(): void {
    this.items.clear()
  }

  /** As a browser does it for a page that is duplicated. */
  copy(): FakeStorage {
    return new FakeStorage(this.items)
  }

  get names(): ReadonlyArray<string> {
    return [...this.items.keys()].sort()
  }

  json(name: string): unknown {
    const text = this.items.get(name)
    return text === undefined ? undefined : JSON.parse(text)
  }
}

interface Asked {
  readonly signal: AbortSignal | undefined
  readonly grant: () => void
  readonly refuse: (cause: unknown) => void
}

/** The locks of an origin: first come, first served. */
export class FakeLocks {
  readonly held = new Map<string, number>()
  private readonly queues = new Map<string, Array<Asked>>()
  /** What becomes of requests that would be granted. */
  mode: "grant" | "reject" | "never" = "grant"
  /** Whether a request that is given up is granted all the same, later. */
  ignoresAbort = false

  readonly manager: LockManager = {
    query: () => Promise.resolve({}),
    request: ((name: string, options: LockOptions, granted: LockGrantedCallback<unknown>) =>
      this.request(name, options, granted)) as LockManager["request"] // the overload without options is not used
  }

  private request(name: string, { signal }: LockOptions, granted: LockGrantedCallback<unknown>): Promise<unknown> {
    if (this.mode === "reject") return Promise.reject(new Error("locks are not allowed here"))
    return new Promise((resolve, reject) => {
      const give = () => {
        this.held.set(name, (this.held.get(name) ?? 0) + 1)
        const over = () => {
          this.held.set(name, (this.held.get(name) ?? 0) - 1)
          this.next(name)
        }
        const result = Promise.resolve(granted(null))
        result.then(over, over)
        resolve(result)
      }
      const queue = this.queues.get(name) ?? []
      this.queues.set(name, queue)
      const asked: Asked = { signal, grant: give, refuse: reject }
      queue.push(asked)
      signal?.addEventListener("abort", () => {
        const at = queue.indexOf(asked)
        if (at < 0 || this.ignoresAbort) return
        queue.splice(at, 1)
        reject(signal.reason)
      })
      queueMicrotask(() => this.next(name))
    })
  }

  /** Grants to the first who waits, if nobody has the lock. */
  next(name: string): void {
    if (this.mode === "never" || this.isHeld(name)) return
    this.queues.get(name)?.shift()?.grant()
  }

  isHeld(name: string): boolean {
    return (this.held.get(name) ?? 0) > 0
  }

  get taken(): ReadonlyArray<string> {
    return [...this.held].flatMap(([name, count]) => (count > 0 ? [name] : [])).sort()
  }

  waiting(name: string): number {
    return this.queues.get(name)?.length ?? 0
  }
}

export interface PageOptions {
  readonly storage: Storage | (() => Storage)
  readonly locks?: FakeLocks | undefined
  readonly key?: string | undefined
  readonly subprotocol?: "holdfast.v1.json" | "holdfast.v1.msgpack" | undefined
}

export interface Page {
  readonly events: EventTarget
  readonly keeper: SessionKeeper.Keeper | undefined
  /** Why nothing is kept, each time that it was told. */
  readonly failures: ReadonlyArray<unknown>
  readonly hide: () => void
  readonly show: () => void
  /** The client's scope closes. */
  readonly close: Effect.Effect<void>
}

/** A page with one client's keeper. */
export const openPage = (options: PageOptions, events = new EventTarget()): Effect.Effect<Page, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Clock.clockWith(Effect.succeed)
    const failures: Array<unknown> = []
    const scope = yield* Scope.fork(yield* Effect.scope, { _tag: "Sequential" })
    const { key = "holdfast", locks, storage, subprotocol = "holdfast.v1.json" } = options
    const keeper = yield* Scope.extend(
      open({
        storage: typeof storage === "function" ? storage : () => storage,
        key,
        subprotocol,
        failed: (cause) => failures.push(cause),
        now: () => clock.unsafeCurrentTimeMillis(),
        page: events,
        locks: locks?.manager
      }),
      scope
    )
    return {
      events,
      keeper,
      failures,
      hide: () => void events.dispatchEvent(new Event("pagehide")),
      show: () => void events.dispatchEvent(new Event("pageshow")),
      close: Scope.close(scope, Exit.void)
    }
  })

/** The state of a session, with these differences from an ordinary one. */
export const stateOf = (changes: Partial<SessionKeeper.KeptState> = {}): SessionKeeper.KeptState => ({
  ticket: { session: "s", secret: "secret-1" },
  attempts: 0,
  acknowledged: 0,
  processed: 0,
  topics: [],
  ...changes
})

export const message = (seq: number): SessionKeeper.KeptMessage => ({
  seq,
  payload: JSON.stringify(seq),
  confirm: false
})

/** Has a keeper keep this, with these messages. */
export const fill = (
  keeper: SessionKeeper.Keeper | undefined,
  state: SessionKeeper.KeptState,
  ...seqs: ReadonlyArray<number>
) => {
  keeper?.keep(state)
  for (const seq of seqs) keeper?.add(message(seq))
}
