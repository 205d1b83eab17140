import type { Group } from "../fault.js"

const loop = "src/gateway/session/handlerLoop.ts"
const retries = "src/gateway/session/messageRetries.ts"
const record = "src/gateway/session/sessionRecord.ts"
const outcomes = "test/gateway/outcomes.test.ts"
const refusals = "test/gateway/refusals.test.ts"
const store = "test/session/sessionStore.test.ts"

export const group: Group = {
  title: "What a handler says",
  faults: [
    {
      name: "a typed failure ends the session whatever is declared",
      file: loop,
      find: "if (inHand === undefined || onFailure === undefined || Option.isNone(failure)) return this.died(cause)",
      replace: "return this.died(cause)",
      caughtBy: [outcomes]
    },
    {
      name: "a message that is tried again has a schedule of its own for each run",
      file: retries,
      find: "if (current?.seq === seq) return Effect.succeed(current.driver)",
      replace: "",
      caughtBy: [outcomes]
    },
    {
      name: "all messages of a session share one schedule",
      file: retries,
      find: "if (current?.seq === seq) return",
      replace: "if (current !== undefined) return",
      caughtBy: [outcomes]
    },
    {
      name: "a drain waits for the next run of a message",
      file: loop,
      find: "    this.retries.stop()\n",
      replace: "",
      caughtBy: [outcomes]
    },
    {
      name: "a message that waits to be tried again is processed when the gateway drains",
      file: loop,
      find: "    this.inHand = undefined\n  }",
      replace: "  }",
      caughtBy: [outcomes]
    },
    {
      name: "a session that a defect has ended is ended for good",
      file: "src/gateway/session/endReason.ts",
      find: 'return [CloseCode.SessionReset, "the server failed to handle a message"]',
      replace: 'return [CloseCode.SessionEnded, "the server failed to handle a message"]',
      caughtBy: [outcomes]
    },
    {
      name: "who comes back to a session that ended, and not for good, is turned away for good",
      file: "src/gateway/resumePlan.ts",
      find: "return tombstone.final ? close",
      replace: "return true ? close",
      caughtBy: [outcomes]
    },
    {
      name: "who comes back to a session that ended for good is given another",
      file: "src/gateway/resumePlan.ts",
      find: "return tombstone.final ? close",
      replace: "return false ? close",
      caughtBy: ["test/session/resume.test.ts"]
    },
    {
      name: "a client of before is told a reason that it does not know",
      file: "src/gateway/welcome.ts",
      find: '!live.features.has("ended")',
      replace: "false",
      caughtBy: [outcomes]
    },
    {
      name: "a gateway that resumes a session knows nothing of what was refused",
      file: "src/gateway/admission.ts",
      find: "generation, state, outbound, refused, invitations })",
      replace: "generation, state, outbound, refused: refused.slice(0, 0), invitations })",
      caughtBy: [refusals]
    },
    {
      name: "what was refused is not noted with what was processed",
      file: record,
      find: "return refused.length === 0\n",
      replace: "return refused.length >= 0\n",
      caughtBy: [refusals]
    },
    {
      name: "a refusal is lost where the connection takes nothing now",
      file: record,
      find: "if (refused.length > 0 && driver.live?.isCongested === true) {",
      replace: "if (refused.length < 0) {",
      caughtBy: [refusals]
    },
    {
      name: "a refusal is told before the store has it",
      file: loop,
      find: "Effect.sync(() => void this.refusals.add(message.seq, outcome.code, outcome.reason))",
      replace:
        "Effect.sync(() => this.session.driver.say(said(this.refusals.add(message.seq, outcome.code, outcome.reason))))",
      caughtBy: [refusals]
    },
    {
      name: "a store keeps what was refused twice",
      file: "src/session/memoryStore.ts",
      find: "messages.filter(({ seq }) => seq > record.processed)",
      replace: "messages",
      caughtBy: [store]
    },
    {
      name: "a store keeps all that was ever refused",
      file: "src/session/memoryStore.ts",
      find: ".slice(-most)",
      replace: "",
      caughtBy: [store]
    }
  ]
}
