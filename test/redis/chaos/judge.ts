/** What the gateways have written down, held against what the clients were told. */
import { readFileSync } from "node:fs"
import type { Book } from "./person.js"

/** One process of a gateway. */
export interface Life {
  readonly path: string
  /** When it was killed, in milliseconds since the epoch; undefined if it lives. */
  killedAt: number | undefined
}

interface Run {
  readonly life: Life
  readonly id: string
  readonly began: number
  ended: number | undefined
}

export interface Verdict {
  readonly handled: number
  readonly lost: ReadonlyArray<string>
  readonly repeated: ReadonlyArray<string>
  /** Repetitions that no kill explains, or under another id. */
  readonly unexplained: ReadonlyArray<string>
  /** The longest time between the end of a handler that was run again and the kill that explains it. */
  readonly slowestRecord: number
  readonly resumedElsewhere: number
  readonly missed: ReadonlyArray<string>
  readonly receivedTwice: ReadonlyArray<string>
}

export const judge = (book: Book, lives: ReadonlyArray<Life>): Verdict => {
  const runs = new Map<string, Array<Run>>()
  let resumedElsewhere = 0
  for (const life of lives) {
    for (const line of readFileSync(life.path, "utf8").split("\n")) {
      const words = line.split(" ")
      if (words[0] === "O" && Number(words[2]) > 1) resumedElsewhere++
      // A line that the kill has cut off was not written yet.
      if (words.length !== 5) continue
      const [kind, session, seq, value = "", time] = words
      const of = runs.get(value) ?? []
      runs.set(value, of)
      if (kind === "B") of.push({ life, id: `${session}/${seq}`, began: Number(time), ended: undefined })
      const last = of.at(-1)
      if (kind === "E" && last?.life === life) last.ended = Number(time)
    }
  }
  const lost = [...book.acknowledged].filter((value) => !runs.get(value)?.some(({ ended }) => ended !== undefined))
  const repeated = [...runs].filter(([, of]) => of.length > 1)
  let slowestRecord = 0
  const unexplained = repeated.filter(([, of]) => {
    const ids = new Set(of.map(({ id }) => id))
    const inOrder = [...of].sort((a, b) => a.began - b.began)
    return (
      ids.size > 1 ||
      inOrder.slice(0, -1).some(({ ended, life: { killedAt } }) => {
        if (killedAt === undefined) return true
        if (ended !== undefined) slowestRecord = Math.max(slowestRecord, killedAt - ended)
        return false
      })
    )
  })
  const missed: Array<string> = []
  const receivedTwice: Array<string> = []
  for (const [name, received] of book.received) {
    for (const value of book.published) if (!received.has(value)) missed.push(`${value} by ${name}`)
    for (const [value, times] of received) if (times > 1) receivedTwice.push(`${value} by ${name}, ${times} times`)
  }
  return {
    handled: runs.size,
    lost,
    repeated: repeated.map(([value]) => value),
    unexplained: unexplained.map(([value, of]) => `${value}: ${of.map(({ id }) => id).join(", ")}`),
    slowestRecord,
    resumedElsewhere,
    missed,
    receivedTwice
  }
}
