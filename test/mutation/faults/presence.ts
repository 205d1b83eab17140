import type { Group } from "../fault.js"

const memory = "src/topic/memoryMembers.ts"
const attendance = "src/gateway/topics/presenceTracker.ts"
const sessionTopics = "src/gateway/topics/sessionSubscriptions.ts"
const ending = "src/gateway/session/sessionEnding.ts"

const broker = "test/topic/broker.test.ts"
const presence = "test/gateway/presence.test.ts"
const races = "test/gateway/presenceRaces.test.ts"

export const group: Group = {
  title: "Presence: told once, and nobody is a ghost",
  faults: [
    {
      name: "nobody is told that a member left",
      file: memory,
      find: '    this.tell(presence, "Left", member)\n',
      replace: "    void presence\n",
      caughtBy: [broker]
    },
    {
      name: "a join that is asked for twice is told twice",
      file: memory,
      find: "      this.leaving.remove(known)\n      return\n",
      replace: "      this.leaving.remove(known)\n",
      caughtBy: [broker]
    },
    {
      name: "a member that is back leaves when its time is over",
      file: memory,
      find: "      this.leaving.remove(known)\n      return\n",
      replace: "      return\n",
      caughtBy: [broker]
    },
    {
      name: "a member whose gateway has gone stays for ever",
      file: memory,
      find: "for (const membership of this.leaving.take(now)) {",
      replace: "for (const membership of this.leaving.take(0 * now)) {",
      caughtBy: [broker]
    },
    {
      name: "a session that has ended stays a member",
      file: ending,
      find: "farewells.add(fork(this.left(over, standing, presence)))",
      replace: "void [farewells, fork, over, standing, presence]",
      caughtBy: [presence]
    },
    {
      name: "a member leaves as soon as its connection is gone",
      file: "src/gateway/session/hostedSession.ts",
      find: "    this.record.drained()\n    this.topics.detached()\n",
      replace: `    this.record.drained()
    this.topics.detached()
    if (this.presence !== undefined) this.services.fork(this.presence.leaveAll(0))
`,
      caughtBy: [presence]
    },
    {
      name: "whoever is refused stays a member",
      file: sessionTopics,
      find: "        Effect.tapErrorCause(() => this.drop(known)),\n",
      replace: "",
      caughtBy: [presence, races]
    },
    {
      name: "whoever unsubscribes stays a member",
      file: sessionTopics,
      find: "return hasMembers ? this.presence.leave(name) : Effect.void",
      replace: "return hasMembers && membership === undefined ? this.presence.leave(name) : Effect.void",
      caughtBy: [presence]
    },
    {
      name: "joining and leaving overtake each other",
      file: attendance,
      find: "Effect.zipRight(this.theOthers, this.topics.patiently(Effect.suspend(operation)))",
      replace: "this.topics.patiently(Effect.suspend(operation))",
      caughtBy: [races]
    },
    {
      name: "a session joins after it has ended",
      file: attendance,
      find: "      if (this.isOver) return Effect.void\n",
      replace: "",
      caughtBy: [races]
    },
    {
      name: "a session that was resumed elsewhere leaves when its first gateway shuts down",
      file: ending,
      find: 'if (topics === undefined || standing === "Elsewhere") return Effect.void',
      replace: "if (topics === undefined) return Effect.void",
      caughtBy: [presence]
    },
    {
      name: "members leave at once when their gateway shuts down",
      file: ending,
      find: "const after = mayBeResumed ? options.resumeWindow : 0",
      replace: "const after = mayBeResumed ? Math.min(options.resumeWindow, 0) : 0",
      caughtBy: [presence, "test/gateway/presenceSlowBroker.test.ts"]
    },
    {
      name: "a presence topic is told to whom the rule does not let see it",
      file: "src/gateway/topics/topicRegistry.ts",
      find: "      if (!rule.presence) return untold(base)\n",
      replace: "",
      caughtBy: [presence]
    }
  ]
}
