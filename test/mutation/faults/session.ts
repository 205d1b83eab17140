import type { Group } from "../fault.js"

const step = "src/session/sessionMachine.ts"
const driver = "src/session/sessionDriver.ts"
const buffer = "src/session/replayBuffer.ts"

const pure = "test/session/session.test.ts"
const resume = "test/session/resume.test.ts"
const client = "test/client/client.test.ts"
const races = "test/session/races.test.ts"
const lifecycle = "test/connection/lifecycle.test.ts"

export const group: Group = {
  title: "Session: no loss, no duplicate, in order",
  faults: [
    {
      name: "the duplicate check is skipped",
      file: step,
      find: "if (seq <= state.received) return repeated(state, message, ack)",
      replace: "if (seq <= 0) return repeated(state, message, ack)",
      caughtBy: [pure],
      simulate: true
    },
    {
      name: "only what was processed already counts as a duplicate",
      file: step,
      find: "if (seq <= state.received) return repeated(state, message, ack)",
      replace: "if (seq <= state.processed) return repeated(state, message, ack)",
      caughtBy: [pure]
    },
    {
      name: "a duplicate is not acknowledged again",
      file: step,
      find: '  state.ackSent = Math.min(state.ackSent, message.seq - 1)\n  return [...effects, { _tag: "Suppress", message }, ...ackDue]',
      replace: '  return [...effects, { _tag: "Suppress", message }]',
      caughtBy: [pure]
    },
    {
      name: "a message is acknowledged on receipt",
      file: step,
      find: 'return effects === none ? [{ _tag: "Deliver", message }] : [...effects, { _tag: "Deliver", message }]',
      replace: 'state.recorded = seq\n  return [...effects, { _tag: "Deliver", message }, ...ackDue]',
      caughtBy: [pure, resume],
      simulate: true
    },
    {
      name: "a message is acknowledged when it is processed, before the store has that",
      file: step,
      find: "if (event.seq === state.processed + 1 && event.seq <= state.received) state.processed = event.seq\n",
      replace: `if (event.seq === state.processed + 1 && event.seq <= state.received) {
        state.processed = event.seq
        state.recorded = event.seq
        return ackDue
      }
`,
      caughtBy: [pure]
    },
    {
      name: "handling waits for a store that is away",
      file: "src/gateway/session/handlerLoop.ts",
      find: "      this.record.note(false)\n",
      replace:
        '      this.record.note(false)\n      if (this.record["noting"] !== undefined) return this.record.noted\n',
      caughtBy: ["test/session/storeAway.test.ts"]
    },
    {
      name: "the gateway acknowledges without waiting for the store to note it",
      file: "src/gateway/session/sessionRecord.ts",
      find: "      return Effect.flatMap(noted, () => {\n        if (fencedStore.isOver) return Effect.void\n        this.noted = processed\n        this.tell(now)\n",
      replace:
        "      this.noted = processed\n      this.tell(now)\n      return Effect.flatMap(noted, () => {\n        if (fencedStore.isOver) return Effect.void\n",
      caughtBy: [lifecycle]
    },
    {
      name: "a message leaves before the store has it",
      file: driver,
      find: "while (this.state.transmitted < this.state.appended &&",
      replace: "while (this.state.transmitted < this.state.sent &&",
      caughtBy: [lifecycle]
    },
    {
      name: "a gap of one message is not noticed",
      file: step,
      find: "if (seq > state.received + 1) return",
      replace: "if (seq > state.received + 2) return",
      caughtBy: [pure]
    },
    {
      name: "the window is counted from what was received, and so is not enforced",
      file: step,
      find: "seq > state.processed + state.window\n",
      replace: "seq > state.received + state.window\n",
      caughtBy: [pure]
    },
    {
      name: "the window is one message too small",
      file: step,
      find: "seq > state.processed + state.window\n",
      replace: "seq >= state.processed + state.window\n",
      caughtBy: [pure, resume]
    },
    {
      name: "an acknowledgement of what never left is believed",
      file: step,
      find: "return event.ack > state.highest ? violation",
      replace: "return event.ack > state.sent ? violation",
      caughtBy: [pure]
    },
    {
      name: "a resume that has lost a message of the peer is not refused",
      file: step,
      find: "peerOldest > state.received + 1",
      replace: "peerOldest > state.received + 2",
      caughtBy: [pure]
    },
    {
      name: "a resume from before what was released is not refused",
      file: step,
      find: "const isOurs = peerProcessed >= state.acked && ",
      replace: "const isOurs = ",
      caughtBy: [pure]
    },
    {
      name: "the first frame of a retransmission is dropped",
      file: step,
      find: "state.transmitted = seq\n",
      replace: "state.transmitted = Math.min(state.sent, seq + 1)\n",
      caughtBy: [pure, resume],
      simulate: true
    },
    {
      name: "what was written to the old connection is not retransmitted",
      file: step,
      find: "state.transmitted = seq\n",
      replace: "state.transmitted = Math.max(state.transmitted, seq)\n",
      caughtBy: [pure, resume]
    },
    {
      name: "a resume does not tell what was processed since the peer was told",
      file: step,
      find: "...transmit, ...(state.recorded > event.told ? ackDue : none)]",
      replace: "...transmit]",
      caughtBy: [pure]
    },
    {
      name: "a connection that is late attaches over a newer one",
      file: step,
      find: "if (event.generation <= state.generation) return none",
      replace: 'if (state.link._tag === "Attached" && event.generation === state.generation) return none',
      caughtBy: [pure]
    },
    {
      name: "a late detach of an old connection detaches the new one, in the state",
      file: step,
      find: "if (!isStale(state, event.generation)) state.link = detached",
      replace: "state.link = detached",
      caughtBy: [pure]
    },
    {
      name: "a late end of an old connection takes the new one away",
      file: driver,
      find: "end: ConnectionEnd): void {\n    if (live !== this.live) return",
      replace: "end: ConnectionEnd): void {",
      caughtBy: [resume]
    },
    {
      name: "a takeover does not close the old connection",
      file: driver,
      find: '    old?.close(CloseCode.TakenOver, "a newer connection of this session took over")\n',
      replace: "    void old\n",
      caughtBy: [resume]
    },
    {
      name: "a message of the lost session that is handled late counts in the new one",
      file: driver,
      find: "      this.epoch++\n",
      replace: "",
      caughtBy: [resume]
    },
    {
      name: "what a lost session had not sent is not sent in the new one",
      file: "src/session/outbox.ts",
      find: "    for (const entry of waiting) this.push(entry.payload, entry.size, entry.confirm, unnoticed)\n",
      replace: "",
      caughtBy: [resume]
    },
    {
      name: "a message whose outcome nobody knows is called not sent",
      file: "src/session/outbox.ts",
      find: "const { highest } = this.session.state",
      replace: "const { acked: highest } = this.session.state",
      caughtBy: [client]
    },
    {
      name: "one message too many is released",
      file: buffer,
      find: "entry.seq > upTo) break",
      replace: "entry.seq > upTo + 1) break",
      caughtBy: [resume]
    },
    {
      name: "one message too few is released",
      file: buffer,
      find: "entry.seq > upTo) break",
      replace: "entry.seq >= upTo) break",
      caughtBy: [resume]
    },
    {
      name: "the replay buffer holds one message too many",
      file: buffer,
      find: "this.size < this.bounds.messages &&",
      replace: "this.size <= this.bounds.messages &&",
      caughtBy: [resume]
    },
    {
      name: "the replay buffer is bounded in bytes only once it is full",
      file: buffer,
      find: "this.bytes + size <= this.bounds.bytes",
      replace: "this.bytes < this.bounds.bytes",
      caughtBy: [resume, races]
    },
    {
      name: "a client's message counts as processed as soon as it is handed to its consumer",
      file: "src/client/consumeStream.ts",
      find: "        inHand = message\n",
      replace: "        inHand = message\n        processed()\n",
      caughtBy: [client]
    },
    {
      name: "what an interrupted consumer had in hand is lost",
      file: "src/client/consumeStream.ts",
      find: "inHand === undefined ? taken.slice(at) : [inHand, ...taken.slice(at)]",
      replace: "taken.slice(at)",
      caughtBy: [client]
    },
    {
      name: "bye does not end the session",
      file: "src/gateway/session/hostedSession.ts",
      find: '        return this.driver.inbox.close("nothing more is handled")',
      replace: "        return",
      caughtBy: [resume]
    }
  ]
}
