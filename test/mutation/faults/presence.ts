import type { Group } from "../fault.js"

const memory = "src/topic/memoryMembers.ts"
const attendance = "src/gateway/topics/presenceTracker.ts"
const sessionTopics = "src/gateway/topics/sessionSubscriptions.ts"
const ending = "src/gateway/session/sessionEnding.ts"

const broker = "test/topic/broker.test.ts"
const presence = "test/gateway/presence.test.ts"
const races = "test/gateway/presenceRaces.test.ts"
const away = "test/gateway/presenceAway.test.ts"
const data = "test/gateway/presenceData.test.ts"

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
      find: "    if (text === known.text) return\n",
      replace: "",
      caughtBy: [broker]
    },
    {
      name: "a member that is back leaves when its time is over",
      file: memory,
      find: "      this.leaving.remove(known)\n      if (generation",
      replace: "      if (generation",
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
      find: "    this.record.drained()\n    this.topics.detached(end)\n",
      replace: `    this.record.drained()
    this.topics.detached(end)
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
      find: "this.session.fork(Effect.zipRight(this.theOthers, told))",
      replace: "this.session.fork(told)",
      caughtBy: [races]
    },
    {
      name: "a session joins after it has ended",
      file: attendance,
      find: "      if (this.isOver) return Effect.void\n      this.data.set",
      replace: "      this.data.set",
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
    },
    {
      name: "a gateway that has lost a session says late that it is away",
      file: memory,
      find: "if (generation >= known.generation) this.change",
      replace: "if (generation >= 0) this.change",
      caughtBy: [broker, away]
    },
    {
      name: "a member that is away is told to be so at once",
      file: sessionTopics,
      find: "hasLeft ? 0 : this.topics.options.awayAfter",
      replace: "hasLeft ? 0 : this.topics.options.awayAfter * 0",
      caughtBy: [away]
    },
    {
      name: "a tab that was closed is there for a while",
      file: sessionTopics,
      find: "hasLeft ? 0 : this.topics.options.awayAfter",
      replace: "this.topics.options.awayAfter + (hasLeft ? 1 : 0)",
      caughtBy: [away]
    },
    {
      name: "a member is away since it was told, not since it was gone",
      file: attendance,
      find: "      away.isTold = true\n",
      replace: "      away.isTold = true\n      away.since += after\n",
      caughtBy: [away]
    },
    {
      name: "a member that is back is away for those who watch, until it says something",
      file: attendance,
      find: "    this.away = undefined\n    away.telling",
      replace: "    if (!away.isTold) this.away = undefined\n    away.telling",
      caughtBy: [away]
    },
    {
      name: "a session is told to be away after its end",
      file: attendance,
      find: "    this.isOver = true\n    this.away?.telling?.unsafeInterruptAsFork(FiberId.none)\n",
      replace: "    this.away?.telling?.unsafeInterruptAsFork(FiberId.none)\n",
      caughtBy: [races]
    },
    {
      name: "a member says what its rule does not let it say",
      file: "src/gateway/TopicRule.ts",
      find: "const told = judge === undefined ? read : yield* judge(params, read, caller)",
      replace: "const told = judge === undefined ? read : (yield* judge(params, read, caller), read)",
      caughtBy: [data]
    },
    {
      name: "a member says as much as it likes",
      file: "src/gateway/TopicRule.ts",
      find: "if (size > maxBytes) return",
      replace: "if (size > maxBytes * 1000) return",
      caughtBy: [data]
    },
    {
      name: "who is no member is told what it says of itself",
      file: attendance,
      find: "if (this.isOver || !this.data.has(topic)) return Effect.void",
      replace: "if (this.isOver) return Effect.void",
      caughtBy: [data]
    },
    {
      name: "a client that comes back says nothing of itself",
      file: "src/client/subscription.ts",
      find: "...from, ...(data === undefined ? {} : { data })",
      replace: "...from, ...(data === undefined || this.isKnown ? {} : { data })",
      caughtBy: [data]
    },
    {
      name: "a client that comes back says what it said first",
      file: "src/client/memberData.ts",
      find: "      subscription.data = data\n",
      replace: "",
      caughtBy: [data]
    },
    {
      name: "a client that was invited and reads says nothing of itself",
      file: "src/client/subscriptionStream.ts",
      find: "subscription.data === data\n          ? Effect.void",
      replace: "subscription.data !== data\n          ? Effect.void",
      caughtBy: [data]
    }
  ]
}
