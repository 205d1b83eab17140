/** A page as tests see it that run in more than one browser, whatever drives it. */
import type { Effect } from "effect"

export interface Tab {
  /** Runs a function in the page. It takes nothing along but its argument. */
  readonly evaluate: <A, B>(run: (argument: A) => B | Promise<B>, argument: A) => Effect.Effect<B>
  /** Waits until it is so in the page. */
  readonly until: <A>(what: string, condition: (argument: A) => boolean, argument: A) => Effect.Effect<void>
}

/** One that a person uses. */
export interface UsedTab extends Tab {
  readonly click: (selector: string) => Effect.Effect<void>
  readonly type: (text: string) => Effect.Effect<void>
  readonly press: (key: "Enter" | "Space" | "Tab") => Effect.Effect<void>
  readonly reload: Effect.Effect<void>
  /** A tab that the page opens at its own address: it has a copy of the page's storage, as a duplicated tab has. */
  readonly duplicate: Effect.Effect<UsedTab>
}

/** One of several in a window: the others are hidden while it is shown. */
export interface WindowTab extends Tab {
  readonly show: Effect.Effect<void>
}

/** How a test opens pages that share a profile. */
export interface Opens<T extends Tab> {
  readonly open: (url: string) => Effect.Effect<T>
}

/** The pages of a profile whose consoles are watched: a test fails when one of them had an error. */
export interface Watched<T extends Tab> extends Opens<T> {
  /** What the pages' consoles show. */
  readonly console: ReadonlyArray<string>
}
