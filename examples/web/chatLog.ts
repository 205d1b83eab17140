/** The lines of the room, and of this page's own those that are not there yet, each with its fate. */

export type Fate =
  | { readonly _tag: "Waiting" }
  | { readonly _tag: "Processed" }
  /** `OutcomeUnknown` may be in the room or not; `NotSent` is not. */
  | { readonly _tag: "OutcomeUnknown" | "NotSent"; readonly words: string }

export interface Line {
  readonly key: number
  readonly from: string
  readonly text: string
  /** Undefined: somebody else's, or of before. */
  fate: Fate | undefined
  /** It has come back as a publication of the room. */
  isPublished: boolean
}

/** Lines that are shown. */
const most = 200
/** Own lines that may wait: then the page takes no more. */
const mostWaiting = 200

export class ChatLog {
  private published: Array<Line> = []
  private own: Array<Line> = []
  private keys = 0
  members: ReadonlyArray<string> = []

  /** Those of the room in its order, then the own ones that are on their way. */
  get lines(): ReadonlyArray<Line> {
    return [...this.published, ...this.own]
  }

  get isFull(): boolean {
    return this.own.filter(({ fate }) => fate?._tag === "Waiting").length >= mostWaiting
  }

  said(from: string, text: string): Line {
    const line = { key: ++this.keys, from, text, fate: { _tag: "Waiting" } as const, isPublished: false }
    this.own = [...this.own, line].slice(-2 * mostWaiting)
    return line
  }

  /** A session's lines are published in the order in which they were said: the oldest own one that fits is this. */
  heard(from: string, text: string): void {
    const mine = this.own.find((line) => line.from === from && line.text === text && line.fate?._tag !== "NotSent")
    this.own = this.own.filter((line) => line !== mine)
    if (mine?.fate?._tag === "OutcomeUnknown") mine.fate = { _tag: "Processed" }
    this.add(mine ?? { key: ++this.keys, from, text, fate: undefined, isPublished: true })
  }

  /** What is no line of anybody's. */
  notice(text: string): void {
    this.add({ key: ++this.keys, from: "", text, fate: undefined, isPublished: true })
  }

  private add(line: Line): void {
    line.isPublished = true
    this.published = [...this.published, line].slice(-most)
  }
}
