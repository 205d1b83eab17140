import type { Group } from "../fault.js"

const sessionLimits = "src/gateway/quota/sessionQuota.ts"
const connectionLimits = "src/gateway/quota/connectionQuota.ts"
const bucket = "src/connection/tokenBucket.ts"
const topicRequests = "src/gateway/topics/requestIntake.ts"

const limits = "test/gateway/limits.test.ts"
const clientLimits = "test/client/limits.test.ts"
const rate = "test/session/rate.test.ts"
const buckets = "test/connection/tokenBucket.test.ts"
const topics = "test/topic/topics.test.ts"
const resume = "test/session/resume.test.ts"
const client = "test/client/client.test.ts"

export const group: Group = {
  title: "Limits: everything is bounded",
  faults: [
    {
      name: "a client's own limit is not heeded",
      file: "src/session/flowControl.ts",
      find: "    this.maxMessage = Math.min(this.limits.maxMessage, peerTakes)\n",
      replace: "    this.maxMessage = this.limits.maxMessage\n",
      caughtBy: [clientLimits]
    },
    {
      name: "a session is resumed with less than a message that waits needs",
      file: "src/session/sessionDriver.ts",
      find: "    return !this.outbox.holdsLarger(peerTakes, processed)\n",
      replace: "    return !this.outbox.holdsLarger(peerTakes, processed + this.state.sent)\n",
      caughtBy: [clientLimits]
    },
    {
      name: "a publication is too large for whoever takes exactly as much",
      file: "src/gateway/topics/topicFeed.ts",
      find: "this.sizeIn(subprotocol) > maxBody) return",
      replace: "this.sizeIn(subprotocol) >= maxBody) return",
      caughtBy: [clientLimits]
    },
    {
      name: "what is read from the log is sent whatever its size",
      file: "src/gateway/topics/topicFeed.ts",
      find: "publicationCodec.sizeBound(payload) > maxBody && ",
      replace: "publicationCodec.sizeBound(payload) < 0 && ",
      caughtBy: [clientLimits]
    },
    {
      name: "mail that is too large stays in the mailbox",
      file: "src/gateway/session/mailboxConsumer.ts",
      find: "{ acked: 0, processed: 0, mail: number }",
      replace: "{ acked: 0, processed: 0, mail: Math.min(0, number) }",
      caughtBy: [clientLimits]
    },
    {
      name: "a client goes on with a message that its server takes no more",
      file: "src/client/clientSession.ts",
      find: "if (welcome.resumed && this.driver.outbox.holdsLarger(limits.maxMessage, processed))",
      replace: "if (welcome.resumed && this.driver.outbox.holdsLarger(2 ** 30, processed))",
      caughtBy: [clientLimits]
    },
    {
      name: "the rates are not enforced",
      file: "src/session/inboundLimiter.ts",
      find: "    if (lacking === undefined) return true\n",
      replace: "    if (lacking === undefined || live.end === undefined) return true\n",
      caughtBy: [rate]
    },
    {
      name: "each connection of a session starts with a full bucket",
      file: "src/session/inboundLimiter.ts",
      find: "    this.limit ??= new RateLimit(this.terms.rates, now)\n",
      replace:
        "    if (now === live.since || this.limit === undefined) this.limit = new RateLimit(this.terms.rates, now)\n",
      caughtBy: [rate]
    },
    {
      name: "every acknowledgement counts against the rate",
      file: "src/session/sessionDriver.ts",
      find: "if (isAsked !== true && this.options.guard?.admits(",
      replace: "void isAsked\n    if (this.options.guard?.admits(",
      caughtBy: [rate]
    },
    {
      name: "pings are not counted against the rate",
      file: "src/session/sessionDriver.ts",
      find: "if (live === this.live && this.endReason === undefined) this.options.guard?.admits(live, size)",
      replace: "if (live === this.live && size < 0) this.options.guard?.admits(live, size)",
      caughtBy: [rate, "test/badInput/flood.test.ts"]
    },
    {
      name: "a bucket that is left alone holds twice its capacity",
      file: bucket,
      find: "this.level = Math.min(this.terms.capacity, this.level + (now - this.at) * this.terms.refill)",
      replace: "this.level = Math.min(this.terms.capacity * 2, this.level + (now - this.at) * this.terms.refill)",
      caughtBy: [buckets]
    },
    {
      name: "a bucket says a millisecond too early that something fits",
      file: bucket,
      find: "Math.ceil(this.missing(cost) / this.terms.refill)",
      replace: "Math.floor(this.missing(cost) / this.terms.refill)",
      caughtBy: [buckets]
    },
    {
      name: "what is refused for its bytes costs a message",
      file: bucket,
      find: '    if (!this.bytes.fits(size, now)) return "bytes"\n    this.messages.spend(1)\n',
      replace: '    this.messages.spend(1)\n    if (!this.bytes.fits(size, now)) return "bytes"\n',
      caughtBy: [buckets]
    },
    {
      name: "the client sends at the whole of the server's rate",
      file: "src/session/pacer.ts",
      find: "const share = 0.95",
      replace: "const share = 1",
      caughtBy: [rate]
    },
    {
      name: "the client waits for the rate once and for nobody after that",
      file: "src/session/pacer.ts",
      find: "    // Whoever calls goes on with those that wait.\n    if (!this.isCalling) this.rearm()\n",
      replace: "",
      caughtBy: [rate]
    },
    {
      name: "the client has one message more in flight than the server allows",
      file: "src/session/flowControl.ts",
      find: "(inFlight < this.limits.messages &&",
      replace: "(inFlight <= this.limits.messages &&",
      caughtBy: [resume]
    },
    {
      name: "the client has more bytes in flight than the server allows",
      file: "src/session/flowControl.ts",
      find: "bytes <= this.limits.bytes",
      replace: "bytes <= this.limits.bytes + this.limits.maxMessage",
      caughtBy: [resume]
    },
    {
      name: "the bytes of the window are not enforced",
      file: "src/session/flowControl.ts",
      find: "return unprocessedSize > Math.max(bytes, maxMessage) + messages * envelopeAllowance",
      replace: "return unprocessedSize > Math.max(bytes, maxMessage) * messages * envelopeAllowance",
      caughtBy: ["test/badInput/frames.test.ts", "test/badInput/flood.test.ts"]
    },
    {
      name: "what was processed still counts for the window's bytes",
      file: "src/session/inbox.ts",
      find: "    this.unprocessedSize -= message.size\n",
      replace: "    void message\n",
      caughtBy: ["test/badInput/frames.test.ts", "test/session/rate.test.ts", resume]
    },
    {
      name: "a message of exactly maxMessage is refused",
      file: "src/session/outbox.ts",
      find: "return size > flow.maxMessage ? new",
      replace: "return size >= flow.maxMessage ? new",
      caughtBy: [client]
    },
    {
      name: "a stranger's message may be as large as a client's",
      file: "src/gateway/connectionManager.ts",
      find: "      transport.limit?.(this.services.options.maxHello)\n",
      replace: "",
      caughtBy: ["test/badInput/strangers.test.ts"]
    },
    {
      name: "a stranger may ping without end",
      file: "src/gateway/unauthenticated.ts",
      find: "this.count(emptyCost)",
      replace: "this.count(0)",
      caughtBy: ["test/badInput/strangers.test.ts"]
    },
    {
      name: "small fragments cost nothing",
      file: "src/session/attachedSink.ts",
      find: "if (size < smallFragment)",
      replace: "if (size < 0)",
      caughtBy: ["test/badInput/strangers.test.ts"]
    },
    {
      name: "the upgrade leaves no room for the envelope of the largest message",
      file: "src/gateway/welcome.ts",
      find: "limit?.(maxMessage + envelopeBytes)",
      replace: "limit?.(maxMessage)",
      caughtBy: [client]
    },
    {
      name: "the gateway holds one session more than maxSessions",
      file: sessionLimits,
      find: "return this.total < maxSessions",
      replace: "return this.total <= maxSessions",
      caughtBy: ["test/badInput/hello.test.ts"]
    },
    {
      name: "a principal has one session more than it may",
      file: sessionLimits,
      find: "this.principals.of(principal) < limit) return",
      replace: "this.principals.of(principal) <= limit) return",
      caughtBy: [limits]
    },
    {
      name: "sessions that are being created are not counted",
      file: "src/gateway/pendingSessions.ts",
      find: "    if (!pending.registered) this.quota.leave(pending.principal)\n",
      replace: "",
      caughtBy: [limits]
    },
    {
      name: "the gateway holds one connection more than maxConnections",
      file: connectionLimits,
      find: "if (this.total >= maxConnections) {",
      replace: "if (this.total > maxConnections) {",
      caughtBy: [limits]
    },
    {
      name: "the place of a connection that is gone is not given back",
      file: connectionLimits,
      find: "    this.total--\n",
      replace: "",
      caughtBy: [limits]
    },
    {
      name: "the place of an address whose connection is gone is not given back",
      file: connectionLimits,
      find: "    this.addresses.remove(address)\n",
      replace: "",
      caughtBy: [limits]
    },
    {
      name: "each IPv6 address of a network counts by itself",
      file: connectionLimits,
      find: ".slice(0, 4).join",
      replace: ".slice(0, 8).join",
      caughtBy: [limits]
    },
    {
      name: "a session is subscribed to one topic more than maxSubscriptions",
      file: "src/gateway/topics/memberships.ts",
      find: "this.byTopic.size < this.most",
      replace: "this.byTopic.size <= this.most",
      caughtBy: [topics, "test/gateway/invitations.test.ts"]
    },
    {
      name: "maxSubscriptions is not enforced for the server's invitations",
      file: "src/gateway/topics/sessionSubscriptions.ts",
      find: "if (!this.memberships.hasRoomFor(topic)) return tooMany",
      replace: 'if (topic === "") return tooMany',
      caughtBy: ["test/gateway/invitations.test.ts"]
    },
    {
      name: "requests about topics wait without a bound",
      file: topicRequests,
      find: "if (this.waiting.length >= most || this.bytes > ",
      replace: "if (this.waiting.length >= most && this.bytes > ",
      caughtBy: ["test/badInput/topicRules.test.ts"]
    },
    {
      name: "requests are looked at as fast as they come",
      file: topicRequests,
      find: "|| !this.rate.fits(1, this.options.now())) return",
      replace: ") return",
      caughtBy: ["test/gateway/requestLimits.test.ts"]
    },
    {
      name: "a large answer costs no more than a small one",
      file: topicRequests,
      find: "    if (more > 0) this.charge(more)\n",
      replace: "    void more\n",
      caughtBy: ["test/gateway/requestLimits.test.ts"]
    },
    {
      name: "a client has more requests unanswered than its server lets wait",
      file: "src/client/requestQueue.ts",
      find: "return this.unanswered.size < this.most.requests &&",
      replace: "return this.unanswered.size >= 0 &&",
      caughtBy: ["test/gateway/requestLimits.test.ts"]
    },
    {
      name: "pongs to a peer that does not read are all kept",
      file: "src/connection/live/backpressure.ts",
      find: "if (this.transport.buffered() <= pongLimit) return",
      replace: "if (this.transport.accepted() >= 0) return",
      caughtBy: ["test/badInput/flood.test.ts", "test/badInput/frames.test.ts"]
    },
    {
      name: "a peer that reads slowly gets no pong until all that waits has left",
      file: "src/connection/live/backpressure.ts",
      find: "if (gone > this.goneAtPong) {",
      replace: "if (gone < this.goneAtPong) {",
      caughtBy: ["test/node/connection.test.ts"]
    },
    {
      name: "a pong that had to wait goes only when nothing waits any more",
      file: "src/connection/live/backpressure.ts",
      find: "    if (this.pendingPong !== undefined) this.pong(this.pendingPong)\n",
      replace: "",
      caughtBy: ["test/node/connection.test.ts"]
    }
  ]
}
