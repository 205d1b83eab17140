import { assert, describe, it } from "@effect/vitest"
import * as Session from "../../src/session/sessionMachine.js"

/** Runs events in a row; the last state, and all that was asked for. */
const run = (state: Session.State, ...events: ReadonlyArray<Session.Event>) => {
  const effects: Array<Session.Effect> = []
  let current = state
  for (const event of events) {
    const [next, asked] = Session.step(current, event)
    current = next
    effects.push(...asked)
  }
  return { state: current, effects, tags: effects.map((effect) => effect._tag) }
}

const attach = (generation: number, peerProcessed = 0, peerOldest = 1, told = 0): Session.Event => ({
  _tag: "Attach",
  generation,
  peerProcessed,
  peerOldest,
  told
})

const received = (seq: number, ack = 0, generation = 1): Session.Event => ({
  _tag: "Received",
  generation,
  message: { seq },
  ack
})

/** Sends so many messages and has them appended and transmitted. */
const sent = (count: number): ReadonlyArray<Session.Event> =>
  Array.from(
    { length: count },
    (_, i): ReadonlyArray<Session.Event> => [
      { _tag: "Send" },
      { _tag: "Appended", upTo: i + 1 },
      { _tag: "Transmitted", seq: i + 1, ack: 0 }
    ]
  ).flat()

const initial = Session.initial(4)
const attached = run(initial, attach(1)).state

describe("Session.step", () => {
  it("delivers in order, and suppresses what it has delivered before", () => {
    const { tags } = run(attached, received(1), received(2), received(1), received(2), received(3))
    assert.deepStrictEqual(tags, ["Deliver", "Deliver", "Suppress", "Suppress", "Deliver"])
  })

  it("acknowledges a duplicate again, whose acknowledgement was lost", () => {
    const before = run(
      attached,
      received(1),
      { _tag: "Processed", seq: 1 },
      { _tag: "Recorded", upTo: 1 },
      { _tag: "AckSent", upTo: 1 }
    ).state
    const { state, tags } = run(before, received(1))
    assert.deepStrictEqual(tags, ["Suppress", "AckDue"])
    assert.strictEqual(state.ackSent, 0)
  })

  it("a gap is a violation", () => {
    const { effects, state } = run(attached, received(1), received(3))
    assert.deepStrictEqual(effects.at(-1), { _tag: "Violation", reason: "gap: message 3 came, 2 was expected" })
    assert.strictEqual(state.received, 1)
  })

  it("an acknowledgement never earned is a violation, in data and in ack", () => {
    const before = run(attached, ...sent(2)).state
    const reason = "ack 3, but the last message sent was 2"
    assert.deepStrictEqual(run(before, received(1, 3)).effects, [{ _tag: "Violation", reason }])
    assert.deepStrictEqual(run(before, { _tag: "Acknowledged", generation: 1, ack: 3 }).effects, [
      { _tag: "Violation", reason }
    ])
  })

  it("a message that was appended and has not left cannot be acknowledged", () => {
    const before = run(attached, { _tag: "Send" }, { _tag: "Appended", upTo: 1 }).state
    assert.deepStrictEqual(run(before, { _tag: "Acknowledged", generation: 1, ack: 1 }).tags, ["Violation"])
  })

  it("more messages than the window without acknowledgement are a violation", () => {
    const { effects, tags } = run(attached, received(1), received(2), received(3), received(4), received(5))
    assert.deepStrictEqual(tags, ["Deliver", "Deliver", "Deliver", "Deliver", "Violation"])
    const reason = "more than 4 messages sent without waiting for acknowledgement"
    assert.deepStrictEqual<unknown>(effects.at(-1), { _tag: "Violation", reason })
  })

  it("nothing leaves before the store has it", () => {
    const { state, tags } = run(attached, { _tag: "Send" })
    assert.deepStrictEqual(tags, ["Append"])
    assert.deepStrictEqual(run(state, { _tag: "Appended", upTo: 1 }).tags, ["Transmit"])
  })

  it("nothing is acknowledged before its processing is recorded", () => {
    const { state, tags } = run(attached, received(1), { _tag: "Processed", seq: 1 })
    assert.deepStrictEqual(tags, ["Deliver"])
    assert.deepStrictEqual(run(state, { _tag: "Recorded", upTo: 1 }).tags, ["AckDue"])
  })

  it("a handler cannot be done with what was not received, nor out of order", () => {
    assert.strictEqual(run(attached, { _tag: "Processed", seq: 1 }).state.processed, 0)
    assert.strictEqual(run(attached, received(1), received(2), { _tag: "Processed", seq: 2 }).state.processed, 0)
  })

  it("retransmits from what the peer has processed", () => {
    const before = run(attached, ...sent(3), { _tag: "Detach", generation: 1 }).state
    const { effects, state } = run(before, attach(2, 1))
    assert.deepStrictEqual(effects, [{ _tag: "Release", upTo: 1 }, { _tag: "Transmit" }])
    assert.deepInclude(state, { acked: 1, transmitted: 1, highest: 3, generation: 2 })
  })

  it("an acknowledgement of what only an earlier connection carried is earned", () => {
    const before = run(attached, ...sent(3), attach(2, 1)).state
    const { state, tags } = run(before, { _tag: "Acknowledged", generation: 2, ack: 3 })
    assert.deepStrictEqual(tags, ["Release"])
    assert.strictEqual(state.transmitted, 3, "and need not be sent again")
  })

  it("resumes at position 0, when nothing was received yet", () => {
    const before = run(attached, { _tag: "Detach", generation: 1 }).state
    assert.strictEqual(run(before, attach(2)).state.link._tag, "Attached")
  })

  it("refuses to resume what cannot be complete", () => {
    const before = run(attached, ...sent(3), { _tag: "Acknowledged", generation: 1, ack: 2 }, received(1)).state
    const refused = [{ _tag: "Refuse", reason: "incomplete" }]
    assert.deepStrictEqual<unknown>(run(before, attach(2, 1)).effects, refused, "released already")
    assert.deepStrictEqual<unknown>(run(before, attach(2, 4)).effects, refused, "never sent")
    assert.deepStrictEqual<unknown>(run(before, attach(2, 2, 3)).effects, refused, "the peer has dropped message 2")
    assert.strictEqual(run(before, attach(2, 4)).state, before, "and nothing has changed")
    assert.deepStrictEqual(run(before, attach(2, 3, 2)).tags, ["Release", "Transmit"])
  })

  it("owes the acknowledgement of what was processed after the peer was told", () => {
    const before = run(
      attached,
      received(1),
      { _tag: "Detach", generation: 1 },
      { _tag: "Processed", seq: 1 },
      { _tag: "Recorded", upTo: 1 }
    ).state
    assert.include(run(before, attach(2, 0, 1, 0)).tags, "AckDue")
    assert.notInclude(run(before, attach(2, 0, 2, 1)).tags, "AckDue")
  })

  it("nothing of an old connection touches the session that a newer one has", () => {
    const before = run(attached, ...sent(1), attach(2)).state
    for (const stale of [
      received(1, 0, 1),
      received(1, 9, 1),
      { _tag: "Acknowledged", generation: 1, ack: 1 },
      { _tag: "Detach", generation: 1 },
      attach(1),
      attach(2)
    ] satisfies ReadonlyArray<Session.Event>) {
      assert.deepStrictEqual(Session.step(before, stale), [before, []])
    }
  })

  it("what comes late or out of order from the store or the connection changes nothing", () => {
    const before = run(
      attached,
      ...sent(2),
      { _tag: "Send" },
      { _tag: "Appended", upTo: 3 },
      ...[received(1), received(2)],
      { _tag: "Processed", seq: 1 },
      { _tag: "Recorded", upTo: 1 }
    ).state
    for (const late of [
      { _tag: "Appended", upTo: 3 },
      { _tag: "Appended", upTo: 2 },
      { _tag: "Transmitted", seq: 2, ack: 0 },
      { _tag: "Transmitted", seq: 4, ack: 0 },
      { _tag: "Recorded", upTo: 1 },
      { _tag: "Recorded", upTo: 2 }
    ] satisfies ReadonlyArray<Session.Event>) {
      assert.deepStrictEqual(Session.step(before, late), [before, []], JSON.stringify(late))
    }
  })

  it("while detached nothing is asked of a connection, and nothing counts as written", () => {
    const { effects, state } = run(
      attached,
      received(1),
      { _tag: "Detach", generation: 1 },
      { _tag: "Send" },
      { _tag: "Appended", upTo: 1 },
      { _tag: "Processed", seq: 1 },
      { _tag: "Recorded", upTo: 1 },
      { _tag: "Transmitted", seq: 1, ack: 1 }
    )
    assert.deepStrictEqual(effects, [{ _tag: "Deliver", message: { seq: 1 } }, { _tag: "Append" }])
    assert.deepInclude(state, { link: { _tag: "Detached" }, sent: 1, appended: 1, transmitted: 0, recorded: 1 })
    assert.deepStrictEqual(Session.step(state, received(2)), [state, []], "of a connection that is gone")
  })

  it("an acknowledgement makes room for what waits, if anything does", () => {
    const before = run(attached, ...sent(2), { _tag: "Send" }, { _tag: "Appended", upTo: 3 }).state
    const acknowledged = (ack: number): Session.Event => ({ _tag: "Acknowledged", generation: 1, ack })
    assert.deepStrictEqual(run(before, acknowledged(1)).tags, ["Release", "Transmit"])
    const all = run(before, { _tag: "Transmitted", seq: 3, ack: 0 }).state
    assert.deepStrictEqual(run(all, acknowledged(3)).tags, ["Release"])
  })

  it("what was acknowledged to the peer does not go back", () => {
    const before = run(attached, { _tag: "AckSent", upTo: 3 }).state
    assert.strictEqual(before.ackSent, 3)
    assert.strictEqual(run(before, { _tag: "AckSent", upTo: 2 }).state.ackSent, 3)
    assert.strictEqual(run(before, ...sent(1)).state.ackSent, 3)
    const carried: Session.Event = { _tag: "Transmitted", seq: 1, ack: 4 }
    assert.strictEqual(run(before, { _tag: "Send" }, { _tag: "Appended", upTo: 1 }, carried).state.ackSent, 4)
  })

  it("a session from the store goes on where that has it, and resends what was not acknowledged", () => {
    const restored = Session.restored(4, { sent: 5, acked: 2, processed: 7 })
    assert.deepStrictEqual(restored, {
      link: { _tag: "Detached" },
      generation: 0,
      sent: 5,
      appended: 5,
      transmitted: 2,
      highest: 5,
      begun: 5,
      partOut: 0,
      acked: 2,
      received: 7,
      partIn: 0,
      partSize: 0,
      processed: 7,
      recorded: 7,
      ackSent: 7,
      window: 4
    })
    const { effects, state } = run(restored, attach(3, 3, 8, 7))
    assert.deepStrictEqual(effects, [{ _tag: "Release", upTo: 3 }, { _tag: "Transmit" }])
    assert.deepStrictEqual(run(state, received(7, 5, 3)).tags, ["Release", "Suppress", "AckDue"])
  })

  it("an ended session stays as it is", () => {
    const { state } = run(attached, { _tag: "End" })
    for (const event of [{ _tag: "Send" }, received(1), attach(5)] satisfies ReadonlyArray<Session.Event>) {
      assert.deepStrictEqual(Session.step(state, event), [state, []])
    }
  })
})
