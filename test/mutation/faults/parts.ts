import type { Group } from "../fault.js"

const step = "src/session/Session.ts"
const sender = "src/session/partSender.ts"
const receiver = "src/session/partReceiver.ts"
const exchange = "src/session/partExchange.ts"
const parts = "test/session/parts.test.ts"
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
      file: "src/connection/WriteDeadline.ts",
      find: "const since = Math.max(first.at, this.movedAt)",
      replace: "const since = first.at",
      caughtBy: [connection]
    },
    {
      name: "any byte that leaves moves the write deadline, without end",
      file: "src/connection/WriteDeadline.ts",
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
      find: "introduce({ processed: told, received: { seq, bytes } })",
      replace: "introduce({ processed: told, received: { seq, bytes: bytes - bytes } })",
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
      find: "if (this.held + size > this.most) return false",
      replace: "if (this.held + size > 2 * this.most) return false",
      caughtBy: [parts]
    },
    {
      name: "who is away keeps what it has, and others find no room",
      file: receiver,
      find: "      holder.dropParts()\n",
      replace: "",
      caughtBy: [parts]
    },
    {
      name: "parts are sent without waiting for answers",
      file: sender,
      find: "return this.inFlight === 0 || ",
      replace: "return this.inFlight >= 0 || ",
      caughtBy: [parts]
    },
    {
      name: "the window of parts does not shrink",
      file: sender,
      find: "else if (isQueued) this.window = ",
      replace: "else if (isQueued && took < 0) this.window = ",
      caughtBy: [parts]
    },
    {
      name: "a long way closes the window of parts",
      file: sender,
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
      find: "    this.exchange?.delivered()\n",
      replace: "",
      caughtBy: [parts]
    },
    {
      name: "the window of parts does not grow",
      file: sender,
      find: "Math.max(this.window, Math.min(carried, this.window + size))",
      replace: "this.window",
      caughtBy: [parts]
    },
    {
      name: "a text is cut within a character",
      file: sender,
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
    }
  ]
}
