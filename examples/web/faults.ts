/** Asks the server to break this page's connections; what comes of it, the page finds out by itself. */
import type { Fault as ServerFault } from "../gateway/faults.js"
import type { Model } from "./model.js"
import { settings } from "./settings.js"

export type Action = "cut" | "silence" | "slow" | "refuse" | "heal"

/** What is the matter, as far as this page has asked for it. */
export type Fault = Exclude<ServerFault, { _tag: "Refused" }> | { readonly _tag: "Refused"; readonly until: number }

export interface Deed {
  readonly action: Action
  readonly label: string
  readonly hint: string
  /** On the drawing. */
  readonly flag: string
  readonly caption: string
}

export const deeds: ReadonlyArray<Deed> = [
  {
    action: "cut",
    label: "Cut it",
    hint: "The socket is torn down; both ends hear of it.",
    flag: "cut",
    caption: "You have cut the connection."
  },
  {
    action: "silence",
    label: "Go silent",
    hint: "Half-open: nothing passes, and nobody is told.",
    flag: "silent",
    caption:
      "You have silenced the connection: nothing passes any more, and nobody is told. Only the read deadline can find out."
  },
  {
    action: "slow",
    label: "Slow it",
    hint: "Each way takes 1.5 s longer.",
    flag: "slow",
    caption: "You have slowed the connection: each way takes 1.5 s longer. Watch the round trips."
  },
  {
    action: "refuse",
    label: "Refuse for 20 s",
    hint: "Cut, and each new attempt is answered HTTP 503.",
    flag: "refused",
    caption: "You have cut the connection, and the server refuses this page for 20 s. Watch the delays double."
  },
  {
    action: "heal",
    label: "Heal",
    hint: "All is well again; what was held back passes.",
    flag: "healed",
    caption: "You have healed it: what was held back passes, and the server takes this page again, which tries at once."
  }
]

export class Faults {
  private fault: Fault = { _tag: "None" }

  constructor(
    private readonly model: Model,
    private readonly healed: () => void
  ) {
    // Another server may have taken this page, which was asked for nothing.
    model.onReady(() => void this.refresh())
  }

  get current(): Fault {
    const { fault, model } = this
    if (fault._tag === "Refused" && fault.until <= Date.now()) return { _tag: "None" }
    // A silence ends with its connection.
    if (fault._tag === "Silent" && model.status._tag !== "Ready") return { _tag: "None" }
    return fault
  }

  async apply({ action, caption, flag }: Deed): Promise<void> {
    if (action === "silence" && this.model.status._tag !== "Ready") {
      return this.model.tell("There is no connection to silence now.", "fault")
    }
    // Before it is asked for, or what comes of it could be told first.
    this.model.broke(flag, caption)
    try {
      const response = await fetch(new URL(`./faults/${settings.client}/${action}`, location.href), { method: "POST" })
      if (!response.ok) return this.model.tell(`Nothing was done: ${(await response.text()).trim()}.`, "fault")
      this.found(await response.json())
      if (action === "heal") this.healed()
    } catch {
      this.model.tell("The server cannot be asked: it is away.", "fault")
    }
  }

  private async refresh(): Promise<void> {
    if (this.fault._tag === "Silent") this.fault = { _tag: "None" }
    try {
      const response = await fetch(new URL(`./faults/${settings.client}`, location.href))
      if (response.ok) this.found(await response.json())
    } catch {
      // The server is away again: the connection will tell.
    }
  }

  private found(fault: ServerFault): void {
    this.fault = fault._tag === "Refused" ? { _tag: "Refused", until: Date.now() + fault.remaining } : fault
    this.model.changed()
  }
}
