/**
 * Every way in which the two ends of a session, its connections, two gateways
 * and their store can come to interleave, within bounds: the real
 * `Session.step` drives both ends.
 */
import { assert, describe, it } from "@effect/vitest"
import { limit } from "../patience.js"
import { type Explored, explore, figures } from "./explore.js"
import { type Bounds, least } from "./rules.js"

const show = (name: string, explored: Explored): void => console.log(`${name}: ${figures(explored)}`)

const allTakesTime = { writes: false, client: false, store: false }
const promptWrites = { writes: true, client: false, store: false }
const promptClient = { writes: true, client: true, store: false }

const everyFault = { gateways: 2, moves: 1, storeFailures: 1, expiries: 1, handlerFailures: 1 } as const

const explorations: Readonly<Record<string, Partial<Bounds>>> = {
  "three messages each way, two cuts, a takeover on another gateway": {
    clientMessages: 3,
    serverMessages: 3,
    cuts: 2,
    gateways: 2,
    moves: 1,
    prompt: promptClient
  },
  "three messages each way, a cut, a store that takes its time": {
    clientMessages: 3,
    serverMessages: 3,
    cuts: 1,
    buffer: 3,
    prompt: promptWrites
  },
  "two messages each way, a cut, every fault there is": {
    ...everyFault,
    clientMessages: 2,
    serverMessages: 2,
    cuts: 1,
    records: 2,
    prompt: promptWrites
  },
  "a message each way, two cuts, every fault there is": {
    ...everyFault,
    cuts: 2,
    moves: 2,
    records: 2,
    prompt: promptWrites
  },
  "two messages each way, a cut, writes that take their time": {
    clientMessages: 2,
    serverMessages: 2,
    cuts: 1,
    prompt: allTakesTime
  },
  "two messages of the client, two cuts, a takeover, and messages that are given up, written or not": {
    clientMessages: 2,
    serverMessages: 1,
    window: 1,
    cuts: 2,
    gateways: 2,
    moves: 1,
    withdrawals: 2,
    prompt: promptWrites
  },
  "a message each way, a cut, every fault there is, nothing put aside": {
    ...everyFault,
    cuts: 1,
    records: 2,
    isReduced: false,
    prompt: allTakesTime
  }
}

describe("A session, explored exhaustively", () => {
  for (const [name, bounds] of Object.entries(explorations)) {
    it(
      `${name}: nothing is lost, doubled or stuck`,
      async () => {
        const explored = await explore({ ...least, ...bounds })
        show(name, explored)
        assert.strictEqual(explored.violation, undefined)
        assert.isAbove(explored.goals, 0)
      },
      limit
    )
  }
})
