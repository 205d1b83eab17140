import type { Group } from "../fault.js"

const log = "src/topic/topicLog.ts"
const memory = "src/topic/memoryBroker.ts"
const keyMemory = "src/topic/keyMemory.ts"
const topicLogs = "src/topic/topicLogs.ts"
const held = "src/topic/heldPublications.ts"
const subscription = "src/client/subscription.ts"
const subscriptions = "src/client/subscriptions.ts"
const subscriber = "src/gateway/topics/subscriber.ts"
const feed = "src/gateway/topics/topicFeed.ts"

const broker = "test/topic/broker.test.ts"
const bounds = "test/topic/brokerBounds.test.ts"
const tooManyKeys = "test/gateway/tooManyKeys.test.ts"
const topics = "test/topic/topics.test.ts"
const recovery = "test/topic/topicRecovery.test.ts"
const publish = "test/client/publish.test.ts"
const slowConsumers = "test/gateway/slowConsumers.test.ts"
const slowBroker = "test/topic/slowBroker.test.ts"
const topicFeed = "test/gateway/topicFeed.test.ts"
const lyingTopics = "test/badInput/lyingTopics.test.ts"

export const group: Group = {
  title: "Topics: complete or refused, each publication once",
  faults: [
    {
      name: "history leaves out the first publication after a position",
      file: log,
      find: "since.offset - first)",
      replace: "since.offset - first + 1)",
      caughtBy: [broker]
    },
    {
      name: "history begins with the publication at the position",
      file: log,
      find: "since.offset - first)",
      replace: "Math.max(0, since.offset - first - 1))",
      caughtBy: [broker]
    },
    {
      name: "a position of another epoch is recovered",
      file: log,
      find: "if (since !== undefined && since.epoch !== this.epoch)",
      replace: 'if (since !== undefined && since.epoch === "")',
      caughtBy: [broker]
    },
    {
      name: "a position that was never reached is recovered",
      file: log,
      find: "if (since !== undefined && since.offset > this.offset)",
      replace: "if (since !== undefined && since.offset > this.offset + 1)",
      caughtBy: [broker]
    },
    {
      name: "a recovery that misses one publication is not refused",
      file: log,
      find: "if (since !== undefined && since.offset < first)",
      replace: "if (since !== undefined && since.offset < first - 1)",
      caughtBy: [broker]
    },
    {
      name: "history keeps one publication less than it is told",
      file: log,
      find: "if (kept <= messages &&",
      replace: "if (kept < messages &&",
      caughtBy: [broker]
    },
    {
      name: "history keeps one publication more than it is told",
      file: log,
      find: "if (kept <= messages &&",
      replace: "if (kept <= messages + 1 &&",
      caughtBy: [broker]
    },
    {
      name: "history gives up what is exactly as old as may be",
      file: log,
      find: "oldest.since + age >= now) return",
      replace: "oldest.since + age > now) return",
      caughtBy: [broker]
    },
    {
      name: "the broker ignores keys",
      file: memory,
      find: "const before = log.recall(name)",
      replace: 'const before = log.recall("")',
      caughtBy: [broker]
    },
    {
      name: "a key is taken for another publication",
      file: memory,
      find: "before.print === print ? Effect.succeed(before.position)",
      replace: 'before.print !== "" ? Effect.succeed(before.position)',
      caughtBy: [broker]
    },
    {
      name: "a key is forgotten a millisecond early",
      file: keyMemory,
      find: "return at <= now - this.window",
      replace: "return at <= now + 1 - this.window",
      caughtBy: [broker]
    },
    {
      name: "keys are never forgotten",
      file: keyMemory,
      find: "return at <= now - this.window",
      replace: "return at < now - 10 * this.window",
      caughtBy: [broker]
    },
    {
      name: "a listener that has gone is still told",
      file: memory,
      find: "    log.unlisten(listener)\n",
      replace: "",
      caughtBy: [broker]
    },
    {
      name: "a text that is not Latin-1 counts as half of what it takes",
      file: held,
      find: "wide.test(text) ? 2 * text.length",
      replace: "wide.test(text) ? text.length",
      caughtBy: [bounds]
    },
    {
      name: "what a topic gives up by itself counts for ever",
      file: held,
      find: "    this.bytes -= held.size\n",
      replace: "",
      caughtBy: [bounds]
    },
    {
      name: "an empty topic that nobody uses is never forgotten",
      file: topicLogs,
      find: "this.idleUntil(log) < now) this.remove(log)",
      replace: "this.idleUntil(log) < 0) this.remove(log)",
      caughtBy: [bounds]
    },
    {
      name: "an empty topic is forgotten while somebody listens to it",
      file: topicLogs,
      find: "if (log.isEmpty && log.isIdle &&",
      replace: "if (log.isEmpty &&",
      caughtBy: [bounds]
    },
    {
      name: "one publisher takes the room that is left for those that hold few keys",
      file: keyMemory,
      find: "(this.held.get(publisher) ?? 0) + share * size",
      replace: "share * size",
      caughtBy: [bounds]
    },
    {
      name: "the keys of a session are not counted",
      file: "src/gateway/topics/publicationIntake.ts",
      find: "      quota.add(id, now())\n",
      replace: "      void id\n",
      caughtBy: [tooManyKeys]
    },
    {
      name: "a publication that is published again is counted twice",
      file: "src/gateway/topics/keyQuota.ts",
      find: "return id <= this.highest",
      replace: "return id < this.highest",
      caughtBy: [tooManyKeys]
    },
    {
      name: "a session that has used up its keys is not given the position of what it published",
      file: "src/gateway/topics/publicationIntake.ts",
      find: "if (wait > 0) return repeated(wait)",
      replace:
        'if (wait > 0) return Effect.fail(new TooManyKeys({ option: "maxKeysPerSession", limit, retryAfter: wait }))',
      caughtBy: [tooManyKeys]
    },
    {
      name: "the client takes a publication twice that comes again",
      file: subscription,
      find: "if (position.offset <= last.offset) return undefined",
      replace: "if (position.offset < last.offset) return undefined",
      caughtBy: [lyingTopics, recovery]
    },
    {
      name: "the client does not notice a gap",
      file: subscription,
      find: 'if (skipped > 0 && this.policy === "disconnect") {',
      replace: 'if (skipped > 1 && this.policy === "disconnect") {',
      caughtBy: [lyingTopics]
    },
    {
      name: "the client goes on with a publication of another epoch",
      file: subscription,
      find: "if (position.epoch !== last.epoch) {",
      replace: 'if (position.epoch === "") {',
      caughtBy: [lyingTopics]
    },
    {
      name: "the client believes that it was recovered where it was not",
      file: subscription,
      find: 'if (!recovered && members === undefined && policy === "disconnect") {',
      replace: 'if (!recovered && members !== undefined && policy === "disconnect") {',
      caughtBy: [topics, "test/topic/slowBroker.test.ts", recovery]
    },
    {
      name: "subscriptions are not asked for again after a welcome",
      file: subscriptions,
      find: "      else this.ask(subscription)\n",
      replace: "",
      caughtBy: [topics, recovery]
    },
    {
      name: "subscriptions begin anew after a welcome, without their position",
      file: subscriptions,
      find: "subscription.request(id, subscription.since)",
      replace: "subscription.request(id, subscription.isKnown ? undefined : subscription.since)",
      caughtBy: [topics, recovery]
    },
    {
      name: "an unsubscription that the connection's end has swallowed is not said again",
      file: subscriptions,
      find: "      else this.unsubscribe(topic)\n    }\n    for",
      replace: "      else this.leaving.delete(topic)\n    }\n    for",
      caughtBy: ["test/gateway/presence.test.ts", topics]
    },
    {
      name: "publications that were not answered are not written again",
      file: "src/client/publishQueue.ts",
      find: "if (this.pending.has(publication.id)) this.ask(publication)",
      replace: "if (publication.writtenAt === undefined) this.ask(publication)",
      caughtBy: [publish]
    },
    {
      name: "a publication is written again when its key may be forgotten",
      file: "src/client/publishQueue.ts",
      find: "this.now() - writtenAt >= this.keyWindow - margin",
      replace: "this.now() - writtenAt >= this.keyWindow + margin",
      caughtBy: [publish]
    },
    {
      name: "a publication that left is called not sent when the client ends",
      file: "src/client/publishQueue.ts",
      find: "resume(Effect.fail(writtenAt === undefined ? new NotSent({ reason }) : new OutcomeUnknown({ reason })))",
      replace:
        "resume(Effect.fail(writtenAt !== undefined ? new NotSent({ reason }) : new OutcomeUnknown({ reason })))",
      caughtBy: [publish]
    },
    {
      name: "what is published while a subscription recovers is missed",
      file: subscriber,
      find: "if (this.cursor.epoch !== this.feed.head.epoch || this.isBehindFeed) return false",
      replace: "if (this.cursor.epoch !== this.feed.head.epoch) return false",
      caughtBy: [slowBroker, slowConsumers]
    },
    {
      name: "`disconnect` skips instead of closing",
      file: subscriber,
      find: 'if (this.policy === "disconnect") return this.giveUp()\n      // The newest',
      replace: "// The newest",
      caughtBy: [slowConsumers]
    },
    {
      name: "`dropOldest` keeps two too few",
      file: subscriber,
      find: "this.skipTo(this.cursor.offset + 1)\n    }",
      replace: "this.skipTo(Math.min(shared.offset - 1, this.cursor.offset + 2))\n    }",
      caughtBy: [slowConsumers]
    },
    {
      name: "`latest` keeps everything",
      file: subscriber,
      find: '    if (this.policy === "latest") this.skipTo(shared.offset - 1)\n',
      replace: "",
      caughtBy: [slowConsumers]
    },
    {
      name: "one publication more waits than may",
      file: "src/gateway/topics/deliveryBacklog.ts",
      find: "return this.messages > this.bounds.messages ||",
      replace: "return this.messages > this.bounds.messages + 1 ||",
      caughtBy: [slowConsumers]
    },
    {
      name: "the client's `dropOldest` holds one publication less than it may",
      file: "src/client/publicationBuffer.ts",
      find: "return this.items.length > messages ||",
      replace: "return this.items.length >= messages ||",
      caughtBy: [slowConsumers]
    },
    {
      name: "a feed outlives its last user",
      file: feed,
      find: "      feed.users--\n      if (feed.users > 0) return Effect.void\n",
      replace: "      feed.users--\n      if (feed.users >= 0) return Effect.void\n",
      caughtBy: [topics, topicFeed]
    },
    {
      name: "a feed is closed while others use it",
      file: feed,
      find: "      feed.users--\n      if (feed.users > 0) return Effect.void\n",
      replace: "      feed.users--\n      if (feed.users > 1) return Effect.void\n",
      caughtBy: [topics, topicFeed]
    },
    {
      name: "a feed tells while it tells",
      file: feed,
      find: "if (last === undefined || this.isTelling) return",
      replace: "if (last === undefined) return",
      caughtBy: [topicFeed]
    },
    {
      name: "a feed hears without a bound before it tells",
      file: feed,
      find: "if (isMuch && !this.isTelling) this.tell()\n    else if",
      replace: "void isMuch\n    if",
      caughtBy: [topicFeed]
    },
    {
      name: "who leaves a topic misses what was published in the same turn",
      file: "src/gateway/topics/activeSubscription.ts",
      find: "is for it too.\n    this.feed.tell()\n",
      replace: "is for it too.\n",
      caughtBy: [topicFeed]
    },
    {
      name: "the rule is asked only when a session subscribes for the first time",
      file: "src/gateway/topics/sessionSubscriptions.ts",
      find: "if (before?.invited === undefined) yield* this.judge(request, known)",
      replace: "if (before === undefined) yield* this.judge(request, known)",
      caughtBy: [topics, "test/gateway/topicRules.test.ts", "test/gateway/presence.test.ts"]
    },
    {
      name: "the rule for publishing is not asked",
      file: "src/gateway/TopicRule.ts",
      find: "Effect.zipRight(publish(params, value, caller), encode(value))",
      replace: "Effect.zipRight(Effect.void, encode(value))",
      caughtBy: ["test/gateway/topicRules.test.ts", topics]
    }
  ]
}
