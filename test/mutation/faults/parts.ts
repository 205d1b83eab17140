import type { Group } from "../fault.js"

const step = "src/session/sessionMachine.ts"
const window = "src/session/large/partWindow.ts"
const cutter = "src/session/large/pieceCutter.ts"
const chunkExchange = "src/session/large/chunkExchange.ts"
const subscriber = "src/gateway/topics/subscriber.ts"
const receiver = "src/session/large/partReceiver.ts"
const exchange = "src/session/large/partExchange.ts"
const parts = "test/session/parts.test.ts"
const chunks = "test/session/chunks.test.ts"
const connection = "test/connection/connection.test.ts"

export const group: Group = {
  title: "Large messages: parts, and what was received",
  faults: [
    {
      name: "bytes of a message that is not whole are no life",
      file: "src/connection/liveConnection.ts",
      find: "this.heard(Math.max(this.lastActivity, Math.min(now, latest)), since)",
      replace: "void since, now, latest",
      caughtBy: [connection]
    },
    {
      name: "one byte a second is life, however long",
      file: "src/connection/liveConnection.ts",
      find: "Math.min(now, latest)",
      replace: "Math.max(now, latest - latest)",
      caughtBy: [connection]
    },
    {
      name: "a byte that leaves does not move the write deadline",
      file: "src/connection/writeDeadline.ts",
      find: "const since = Math.max(first.at, this.movedAt)",
      replace: "const since = first.at",
      caughtBy: [connection]
    },
    {
      name: "any byte that leaves moves the write deadline, without end",
      file: "src/connection/writeDeadline.ts",
      find: "const millis = deadline * deadlinesOf(first.until - first.from)",
      replace: "const millis = 1e9 * deadlinesOf(first.until - first.from)",
      caughtBy: [connection]
    },
    {
      name: "what the peer has received is sent again",
      file: step,
      find: "const { bytes, seq } = event.peerReceived ?? {",
      replace: "const { bytes, seq } = {",
      caughtBy: [parts]
    },
    {
      name: "parts that arrived are sent again",
      file: "src/gateway/session/hostedSession.ts",
      find: "received: { seq, bytes }, unfinished })",
      replace: "received: { seq, bytes: bytes - bytes }, unfinished })",
      caughtBy: [parts]
    },
    {
      name: "a message is taken back of which a part was written",
      file: step,
      find: "if (seq <= begun || ",
      replace: "if (seq <= Math.min(begun, state.highest) || ",
      caughtBy: [parts]
    },
    {
      name: "a part may begin anywhere",
      file: step,
      find: "if (at !== partIn) return",
      replace: "if (at < partIn - partIn) return",
      caughtBy: [parts]
    },
    {
      name: "a part may end beyond its message",
      file: step,
      find: "if (until > of) return",
      replace: "if (until > of + 1e9) return",
      caughtBy: [parts]
    },
    {
      name: "the parts of a message may say that it has another size",
      file: step,
      find: "return of === partSize\n",
      replace: "return of >= partSize - partSize\n",
      caughtBy: [parts]
    },
    {
      name: "a small part is taken",
      file: receiver,
      find: "if (size < leastPart && until < of)",
      replace: "if (size < 0 && until < of)",
      caughtBy: [parts]
    },
    {
      name: "a part of a message that is too large is taken",
      file: receiver,
      find: "return of > largest.body\n",
      replace: "return of > 2 * largest.body\n",
      caughtBy: [parts]
    },
    {
      name: "more unfinished bytes are held than there may be",
      file: receiver,
      find: "if (!this.fits(size)) return false",
      replace: "if (!this.fits(size / 2)) return false",
      caughtBy: [parts]
    },
    {
      name: "who is away keeps what it has, and others find no room",
      file: receiver,
      find: "      if (this.fits(size)) break\n      other.giveWay()\n",
      replace: "      if (this.fits(size) || now >= 0) break\n      other.giveWay()\n",
      caughtBy: [parts]
    },
    {
      name: "parts are sent without waiting for answers",
      file: window,
      find: "return this.inFlight === 0 || ",
      replace: "return this.inFlight >= 0 || ",
      caughtBy: [parts]
    },
    {
      name: "the window of parts does not shrink",
      file: window,
      find: "else if (isQueued) this.window = ",
      replace: "else if (isQueued && took < 0) this.window = ",
      caughtBy: [parts]
    },
    {
      name: "a long way closes the window of parts",
      file: window,
      find: "else if (isQueued) ",
      replace: "else if (isQueued || took > 0) ",
      caughtBy: [parts]
    },
    {
      name: "a line that looks like a part's is read however long it is",
      file: "src/protocol/jsonPart.ts",
      find: "if (end < 0 || end > envelopeBytes) return undefined",
      replace: "if (end < 0) return undefined",
      caughtBy: [parts]
    },
    {
      name: "parts of a message that came whole are held",
      file: "src/session/sessionDriver.ts",
      find: "    this.largeMessages?.parts.delivered()\n",
      replace: "",
      caughtBy: [parts]
    },
    {
      name: "the window of parts does not grow",
      file: window,
      find: "Math.max(this.window, Math.min(carried, this.window + size))",
      replace: "this.window",
      caughtBy: [parts]
    },
    {
      name: "a text is cut within a character",
      file: cutter,
      find: "const isPair = unit >= 0xd800 && unit < 0xdc00",
      replace: "const isPair = unit >= 0xd800 && unit < 0xd800",
      caughtBy: [parts]
    },
    {
      name: "a server that knows no parts is sent them",
      file: exchange,
      find: ' && live.features.has("parts")\n',
      replace: "\n",
      caughtBy: [parts]
    },
    {
      name: "an answer to what was not sent is believed",
      file: exchange,
      find: "if (has.seq > transmitted || ",
      replace: "if (has.seq > transmitted + 9 || ",
      caughtBy: [parts]
    },
    {
      name: "what goes on at a message's beginning goes on where it was",
      file: receiver,
      find: "    if (at === 0) this.drop()\n",
      replace: "",
      caughtBy: [parts]
    },
    {
      name: "who stops in the middle of a message keeps its room for ever",
      file: receiver,
      find: "if (other !== holder) other.giveWay()",
      replace: "if (other === holder) other.giveWay()",
      caughtBy: [parts]
    },
    {
      name: "who goes on slowly is sent away for others",
      file: receiver,
      find: " || now - at < this.patience) break",
      replace: ") break",
      caughtBy: [parts]
    },
    {
      name: "chunks that arrived are sent again",
      file: chunkExchange,
      find: "has.of === size ? has.bytes : 0",
      replace: "has.of === size ? 0 : 0",
      caughtBy: [chunks]
    },
    {
      name: "another message goes on where one of another size was",
      file: chunkExchange,
      find: "return has?.name === name && has.of === size ? ",
      replace: "return has?.name === name ? ",
      caughtBy: [chunks]
    },
    {
      name: "a second message leaves in chunks between those of the first",
      file: chunkExchange,
      find: "if (this.leaving !== undefined && this.leaving.message !== message) return",
      replace: "if (this.leaving !== undefined && this.leaving.at < 0) return",
      caughtBy: [chunks]
    },
    {
      name: "a message that is given up holds the way of the others",
      file: chunkExchange,
      find: "bytes: this.leaving.at }\n    this.leaving = undefined\n",
      replace: "bytes: this.leaving.at }\n",
      caughtBy: [chunks]
    },
    {
      name: "nobody hears that a message was given up",
      file: chunkExchange,
      find: "    this.options.pacing?.leave(this)\n    this.way.chunksMayGo()\n",
      replace: "",
      caughtBy: [chunks]
    },
    {
      name: "a chunk may begin anywhere",
      file: chunkExchange,
      find: " && coming.of === of && coming.bytes === at)",
      replace: " && coming.of === of)",
      caughtBy: [chunks]
    },
    {
      name: "a chunk may be of another message",
      file: chunkExchange,
      find: "(coming?.name === name && ",
      replace: "(coming !== undefined && ",
      caughtBy: [chunks]
    },
    {
      name: "a chunk may end beyond its message",
      file: chunkExchange,
      find: "    if (until > of) return",
      replace: "    if (until > of + 1e9) return",
      caughtBy: [chunks]
    },
    {
      name: "any message may come in chunks",
      file: "src/session/large/largeMessages.ts",
      find: "    live.violate(CloseCode.ProtocolViolation, `",
      replace: "    void String(`",
      caughtBy: [chunks]
    },
    {
      name: "the way is the numbered messages' first",
      file: "src/session/large/largeMessages.ts",
      find: "    if (this.isChunksTurn) this.chunksMayGo()\n",
      replace: "",
      caughtBy: [chunks]
    },
    {
      name: "a publication in chunks holds up those of other topics",
      file: "src/gateway/topics/deliveryBacklog.ts",
      find: "return this.lagging.size > this.blocked || ",
      replace: "return this.lagging.size > 0 || ",
      caughtBy: [chunks]
    },
    {
      name: "a publication in chunks counts as one that waits while it leaves",
      file: subscriber,
      find: "    this.skipTo(next.offset)\n    this.sent()\n",
      replace: "    if (this.leaving === undefined) this.skipTo(next.offset)\n    this.sent()\n",
      caughtBy: [chunks]
    },
    {
      name: "who stops in the middle of a publication leaves the rest of it in the way",
      file: subscriber,
      find: "    if (leaving !== undefined) this.backlog.giveUp(leaving)\n",
      replace: "",
      caughtBy: [chunks]
    },
    {
      name: "a publication overtakes the one that leaves in chunks",
      file: "src/client/requestQueue.ts",
      find: "(!held.has(topic) && !isLarger",
      replace: "(!isLarger",
      caughtBy: [chunks]
    },
    {
      name: "a publication that is taken back in the middle leaves all the same",
      file: "src/client/requestQueue.ts",
      find: "      this.chunks.giveUp(leaving.message)\n",
      replace: "      void leaving\n",
      caughtBy: [chunks]
    },
    {
      name: "who knows no chunks is sent them",
      file: chunkExchange,
      find: ' && live.features.has("chunks") ? part',
      replace: " ? part",
      caughtBy: [chunks]
    }
  ]
}
