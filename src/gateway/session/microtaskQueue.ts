/** Work that is done as soon as what happens now is over, such as the messages of one read of a socket. */

export interface Microtask {
  /** Must not throw. */
  readonly proceed: () => void
}

export class MicrotaskQueue {
  private due: Array<Microtask> = []

  /** Has it proceed then. To be asked for once. */
  add(one: Microtask): void {
    if (this.due.push(one) === 1) void Promise.resolve().then(this.proceed)
  }

  private readonly proceed = (): void => {
    const { due } = this
    this.due = []
    let next = 0
    try {
      for (; next < due.length; next++) due[next]?.proceed()
    } finally {
      // One that throws all the same does not take the others along.
      for (const one of due.slice(next + 1)) this.add(one)
    }
  }
}
