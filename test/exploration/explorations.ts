/** What is explored: those that `npm test` goes through, and those that take a processor for longer, of `npm run explore`. */
import type { Bounds } from "./rules.js"

export type Explorations = Readonly<Record<string, Partial<Bounds>>>

const allTakesTime = { writes: false, client: false, store: false }
const promptWrites = { writes: true, client: false, store: false }
const promptClient = { writes: true, client: true, store: false }

const everyFault = { gateways: 2, moves: 1, storeFailures: 1, expiries: 1, handlerFailures: 1 } as const

export const quick: Explorations = {
  "two messages each way, a cut, a takeover on another gateway": {
    clientMessages: 2,
    serverMessages: 2,
    cuts: 1,
    gateways: 2,
    moves: 1,
    prompt: promptClient
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
  "two messages of the client and one of the server, in halves, two cuts, a takeover, and messages that are given up": {
    clientMessages: 2,
    serverMessages: 1,
    window: 1,
    cuts: 2,
    gateways: 2,
    moves: 1,
    withdrawals: 1,
    parts: true,
    prompt: promptWrites
  },
  "a message each way, in halves, a cut, every fault there is": {
    ...everyFault,
    cuts: 1,
    records: 2,
    parts: true,
    prompt: allTakesTime
  },
  "a message each way, a cut, every fault there is, nothing put aside": {
    ...everyFault,
    cuts: 1,
    records: 2,
    isReduced: false,
    prompt: allTakesTime
  }
}

export const large: Explorations = {
  "a message each way, two cuts, every fault there is": {
    ...everyFault,
    cuts: 2,
    moves: 2,
    records: 2,
    prompt: promptWrites
  },
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
  "two messages each way, in halves, two cuts, a takeover on another gateway": {
    clientMessages: 2,
    serverMessages: 2,
    cuts: 2,
    gateways: 2,
    moves: 1,
    parts: true,
    prompt: promptClient
  },
  "two messages each way, a cut, every fault there is": {
    ...everyFault,
    clientMessages: 2,
    serverMessages: 2,
    cuts: 1,
    records: 2,
    prompt: promptWrites
  }
}
