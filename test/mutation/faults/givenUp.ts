import type { Group } from "../fault.js"

const withdrawn = "test/session/withdrawn.test.ts"
const claims = "test/client/claims.test.ts"
const claim = "src/connection/claim.ts"

export const group: Group = {
  title: "What is given up: messages that were not written, and claims",
  faults: [
    {
      name: "a message is taken back that was written",
      file: "src/session/sessionMachine.ts",
      find: "if (seq <= begun || seq > sent || appended < sent) return none",
      replace: "if (seq <= begun - begun || seq > sent || appended < sent) return none",
      caughtBy: [withdrawn]
    },
    {
      name: "what follows a message that is taken back keeps its number",
      file: "src/session/replayBuffer.ts",
      find: "this.entries.push({ ...entry, seq: entry.seq - 1, offset: entry.offset - gone.size })",
      replace: "this.entries.push(entry)",
      caughtBy: [withdrawn]
    },
    {
      name: "a message that is taken back makes no room",
      file: "src/session/outbox.ts",
      find: "this.deliveries.withdraw(seq)\n    this.admit()",
      replace: "this.deliveries.withdraw(seq)",
      caughtBy: [withdrawn]
    },
    {
      name: "the rate is kept waiting for a message that is taken back",
      file: "src/session/sessionDriver.ts",
      find: "if (seq === this.state.transmitted + 1) this.options.pacing?.leave(this)",
      replace: "",
      caughtBy: [withdrawn]
    },
    {
      name: "a claim is waited for that nobody has taken back",
      file: claim,
      find: "return isInterrupted(this.holder) && Option",
      replace: "return Option",
      caughtBy: [claims]
    }
  ]
}
