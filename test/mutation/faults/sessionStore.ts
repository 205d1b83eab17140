import type { Fault, Group } from "../fault.js"

const store = "src/session/memoryStore.ts"
const laws = "test/session/sessionStore.test.ts"
const resume = "test/session/resume.test.ts"

/** The generation is taken from the record, and so is always the right one. */
const unfenced = (operation: string, head: string): Fault => ({
  name: `the store forgets to fence ${operation}`,
  file: store,
  find: `${operation}: ${head}owned(id, generation, `,
  replace: `${operation}: ${head}owned(id, records.get(id)?.generation ?? generation, `,
  caughtBy: [laws]
})

export const group: Group = {
  title: "SessionStore: fencing, secrets, expiry",
  faults: [
    unfenced("confirm", "operation((id, generation) =>\n        "),
    { ...unfenced("append", "operation((id, generation, messages) =>\n        "), simulate: true },
    unfenced(
      "acknowledge",
      "operation((id, generation, { acked, invitations, mail, processed, refused }) =>\n        "
    ),
    {
      name: "the store forgets to fence detach",
      file: store,
      find: "return owned(id, generation, (record) => {",
      replace: "return owned(id, found?.generation ?? generation, (record) => {",
      caughtBy: [laws]
    },
    {
      name: "an owner that detaches a session which is over brings it back",
      file: store,
      find: '        if (found?.generation === generation && isExpired(found)) bury(found, { _tag: "Expired" })\n',
      replace: "",
      caughtBy: [laws]
    },
    unfenced("remove", "(id, generation, tombstone) =>\n        Effect.suspend(() =>\n          "),
    {
      name: "attaching does not raise the generation",
      file: store,
      find: "      record.generation++\n",
      replace: "",
      caughtBy: [laws]
    },
    {
      name: "the old secret is void as soon as the session is attached",
      file: store,
      find: "record.previousSecretHash = secretHash\n",
      replace: "record.previousSecretHash = undefined\n",
      caughtBy: [laws, resume]
    },
    {
      name: "the old secret stays valid when the client has shown the new one",
      file: store,
      find: "owned(id, generation, (record) => {\n          record.previousSecretHash = undefined\n        })\n",
      replace: "owned(id, generation, () => {})\n",
      caughtBy: [laws]
    },
    {
      name: "the secret is not rotated",
      file: store,
      find: "record.secretHash = nextSecretHash",
      replace: "record.secretHash = secretHash",
      caughtBy: [laws]
    },
    {
      name: "the gateway has the old secret voided before the client has the new one",
      file: "src/gateway/session/hostedSession.ts",
      find: "    if (refused === undefined) {\n      this.window.close()",
      replace: "    if (refused === undefined) {\n      this.record.confirm(generation)\n      this.window.close()",
      caughtBy: [resume]
    },
    {
      name: "another principal's session is resumed by whoever has its secret",
      file: store,
      find: "principal === owner.principal && (secretHash",
      replace: 'principal !== "" && (secretHash',
      caughtBy: [laws]
    },
    {
      name: "the order of attempts is ignored",
      file: store,
      find: "if (attempt !== undefined && attempt <= record.attempt)",
      replace: "if (attempt !== undefined && attempt < 0)",
      caughtBy: [laws]
    },
    {
      name: "the same attempt attaches twice",
      file: store,
      find: "attempt <= record.attempt)",
      replace: "attempt < record.attempt)",
      caughtBy: [laws]
    },
    {
      name: "an append that is tried again is appended twice",
      file: store,
      find: "            if (message.seq <= record.sent) continue\n",
      replace: "",
      caughtBy: [laws]
    },
    {
      name: "the store releases one message too few",
      file: store,
      find: "record.outbound.splice(0, acked - first + 1)",
      replace: "record.outbound.splice(0, acked - first)",
      caughtBy: [laws]
    },
    {
      name: "the store releases one message too many",
      file: store,
      find: "record.outbound.splice(0, acked - first + 1)",
      replace: "record.outbound.splice(0, acked - first + 2)",
      caughtBy: [laws]
    },
    {
      name: "what was processed goes back with an acknowledgement that is late",
      file: store,
      find: "record.processed = Math.max(record.processed, processed)",
      replace: "record.processed = processed",
      caughtBy: [laws]
    },
    {
      name: "the store expires a session one millisecond late",
      file: store,
      find: "monotonic(clock) > record.expiresAt",
      replace: "monotonic(clock) > record.expiresAt + 1",
      caughtBy: [laws]
    },
    {
      name: "the store expires a session at the last millisecond of its window",
      file: store,
      find: "monotonic(clock) > record.expiresAt",
      replace: "monotonic(clock) >= record.expiresAt",
      caughtBy: [laws]
    },
    {
      name: "a session that is attached again expires all the same",
      file: store,
      find: "      record.expiresAt = undefined\n",
      replace: "",
      caughtBy: [laws, resume]
    },
    {
      name: "the gateway ends a session at the last millisecond of its window",
      file: "src/gateway/session/resumeWindow.ts",
      find: "Effect.sleep(resumeWindow + 1)",
      replace: "Effect.sleep(resumeWindow)",
      caughtBy: [resume]
    },
    {
      name: "the gateway ends a session one millisecond after it could be resumed last",
      file: "src/gateway/session/resumeWindow.ts",
      find: "Effect.sleep(resumeWindow + 1)",
      replace: "Effect.sleep(resumeWindow + 2)",
      caughtBy: [resume, "test/gateway/presence.test.ts"]
    },
    {
      name: "the expiry of a session that is back goes on",
      file: "src/gateway/session/hostedSession.ts",
      find: "    if (refused === undefined) {\n      this.window.close()\n",
      replace: "    if (refused === undefined) {\n",
      caughtBy: [resume, "test/session/races.test.ts"]
    },
    {
      name: "a session that ends is left in the store",
      file: "src/gateway/session/sessionEnding.ts",
      find: 'return Effect.as(store.remove(id, fencedStore.generation, tombstone(over)), "Removed")',
      replace: 'return Effect.as(store.detach(id, fencedStore.generation, options.resumeWindow), "Removed")',
      caughtBy: [resume, "test/badInput/sessionEnd.test.ts"]
    }
  ]
}
