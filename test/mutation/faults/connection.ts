import type { Group } from "../fault.js"

const live = "src/connection/liveConnection.ts"
const lifecycle = "src/connection/live/lifecycle.ts"
const readDeadline = "src/connection/readDeadline.ts"
const writeDeadline = "src/connection/writeDeadline.ts"
const closeCode = "src/protocol/CloseCode.ts"

const idle = "src/connection/live/idleTimeout.ts"
const suspicion = "src/connection/live/suspicion.ts"

const connection = "test/connection/connection.test.ts"
const idleTimeout = "test/connection/idleTimeout.test.ts"
const suspect = "test/connection/suspect.test.ts"
const closeCodes = "test/badInput/closeCodes.test.ts"
const reconnect = "test/connection/reconnect.test.ts"

export const group: Group = {
  title: "Connection: heartbeat, deadlines, close",
  faults: [
    {
      name: "durations are measured on the system's clock",
      file: "src/connection/clocks.ts",
      find: "Number(clock.unsafeCurrentTimeNanos() / perMilli)",
      replace: "clock.unsafeCurrentTimeMillis()",
      caughtBy: ["test/testing/stepClock.test.ts"]
    },
    {
      name: "a principal's expiry is taken for a time of the monotonic clock",
      file: "src/gateway/session/tokenExpiry.ts",
      find: "const expiresAt = toMonotonic(clock, expiry)",
      replace: "const expiresAt = expiry",
      caughtBy: ["test/testing/stepClock.test.ts"]
    },
    {
      name: "the age of a publication is measured on the system's clock",
      file: "src/topic/memoryBroker.ts",
      find: "log.append(payload, this.now(), this.wallTime(), retention)",
      replace: "log.append(payload, this.wallTime(), this.wallTime(), retention)",
      caughtBy: ["test/testing/stepClock.test.ts"]
    },
    {
      name: "a client does not notice that its machine slept",
      file: "src/connection/keep/reconnectLoop.ts",
      find: "    yield* machineSleep.watch(() => void waking(awake))\n",
      replace: "",
      caughtBy: ["test/connection/machineSleep.test.ts"]
    },
    {
      name: "a gateway does not notice that its machine slept",
      file: "src/gateway/gatewayCore.ts",
      find: "      yield* machineSleep.watch(() => void fork(core.connections.probed))\n",
      replace: "",
      caughtBy: ["test/connection/machineSleep.test.ts"]
    },
    {
      name: "a gateway that slept has all of its peers answer at once",
      file: "src/gateway/connectionManager.ts",
      find: "          Effect.sleep(1000 / probes)\n",
      replace: "          Effect.void\n",
      caughtBy: ["test/connection/machineSleep.test.ts"]
    },
    {
      name: "nobody looks at the clocks any more when the first who did is gone",
      file: "src/connection/machineSleep.ts",
      find: "    for (const other of this.watchers) return this.lookBy(other)\n",
      replace: "",
      caughtBy: ["test/connection/machineSleep.test.ts"]
    },
    {
      name: "a clock that was set is not noticed",
      file: "src/connection/machineSleep.ts",
      find: " || Math.abs(apart) > tolerance",
      replace: "",
      caughtBy: ["test/connection/machineSleep.test.ts"]
    },
    {
      name: "a machine whose sleep counts in monotonic time is not noticed",
      file: "src/connection/machineSleep.ts",
      find: "passed - lookEvery > tolerance || ",
      replace: "",
      caughtBy: ["test/connection/machineSleep.test.ts"]
    },
    {
      name: "the read deadline is one millisecond early",
      file: readDeadline,
      find: "const at = this.watched.lastActivity + this.deadline\n",
      replace: "const at = this.watched.lastActivity + this.deadline - 1\n",
      caughtBy: [connection]
    },
    {
      name: "the last millisecond of the read deadline is not waited for when it was moved",
      file: readDeadline,
      find: "if (at > now) return at\n",
      replace: "if (at > now + 1) return at\n",
      caughtBy: [connection]
    },
    {
      name: "the read deadline is one millisecond late",
      file: readDeadline,
      find: "const at = this.watched.lastActivity + this.deadline\n",
      replace: "const at = this.watched.lastActivity + this.deadline + 1\n",
      caughtBy: [connection]
    },
    {
      name: "the read deadline stays where it was when it was armed",
      file: readDeadline,
      find: "    if (at > now) return at\n",
      replace: "    if (this.at > now) return at\n",
      caughtBy: [connection]
    },
    {
      name: "a client is suspect a millisecond early",
      file: suspicion,
      find: "const at = unansweredSince + this.after\n",
      replace: "const at = unansweredSince + this.after - 1\n",
      caughtBy: [suspect]
    },
    {
      name: "a client is suspect from its latest ping on, however many were unanswered before",
      file: live,
      find: "this.unansweredSince ??= this.now",
      replace: "this.unansweredSince = this.now",
      caughtBy: [suspect]
    },
    {
      name: "only a pong ends a suspicion",
      file: live,
      find: "    this.unansweredSince = undefined\n    this.suspicion?.cleared()\n",
      replace: "",
      caughtBy: [suspect]
    },
    {
      name: "a client that was suspect once never is again",
      file: suspicion,
      find: "    this.isSuspect = isSuspect\n",
      replace: "    this.isSuspect ||= isSuspect\n",
      caughtBy: [suspect]
    },
    {
      name: "a client says at each heartbeat that it is suspect",
      file: suspicion,
      find: "    if (this.isSuspect === isSuspect) return\n",
      replace: "",
      caughtBy: [suspect]
    },
    {
      name: "a client suspects by what it has not read yet",
      file: suspicion,
      find: "this.suspected.afterReads(() => this.become(this.suspected.isUnansweredFor(this.after)))",
      replace: "this.become(this.suspected.isUnansweredFor(this.after))",
      caughtBy: ["test/connection/heldUp.test.ts"]
    },
    {
      name: "a peer is suspect while this end does not read",
      file: live,
      find: "unansweredSince !== undefined && !this.isPaused && ",
      replace: "unansweredSince !== undefined && ",
      caughtBy: ["test/connection/heldUp.test.ts"]
    },
    {
      name: "a client keeps to a third of its own interval, though its server's is shorter",
      file: "src/client/handshake.ts",
      find: "isDefault ? suspectAfterOf(heartbeatInterval) : options.suspectAfter",
      replace: "options.suspectAfter",
      caughtBy: [suspect]
    },
    {
      name: "a client takes any three losses in a row for an idle timeout",
      file: idle,
      find: "Math.abs(other - silence) <= tolerance",
      replace: "Math.abs(other - silence) <= 1e9",
      caughtBy: [idleTimeout]
    },
    {
      name: "a silence that a heartbeat was to break is taken for an idle timeout's",
      file: idle,
      find: " && silence < interval",
      replace: "",
      caughtBy: [idleTimeout]
    },
    {
      name: "connections that have endured longer silences are taken for cut by an idle timeout",
      file: idle,
      find: " && endured <= silence + tolerance",
      replace: "",
      caughtBy: [idleTimeout]
    },
    {
      name: "an idle timeout is told at each loss from then on",
      file: idle,
      find: "if (this.found !== undefined || now",
      replace: "if (now",
      caughtBy: [idleTimeout]
    },
    {
      name: "a proxy that goes with all its connections is taken for an idle timeout",
      file: idle,
      find: "    this.lookedAt = now\n",
      replace: "",
      caughtBy: [idleTimeout]
    },
    {
      name: "a client takes closes and its own deadlines for an idle timeout",
      file: "src/connection/keep/reconnectLoop.ts",
      find: 'if (end._tag !== "ConnectionLost" || phase',
      replace: "if (phase",
      caughtBy: [idleTimeout]
    },
    {
      name: "a gateway takes closes for an idle timeout",
      file: "src/gateway/connectionManager.ts",
      find: 'live.end?._tag === "ConnectionLost" && ',
      replace: "",
      caughtBy: [idleTimeout]
    },
    {
      name: "a gateway takes strangers who leave for losses",
      file: "src/gateway/connectionManager.ts",
      find: " && live.interval > 0) this.lost",
      replace: ") this.lost",
      caughtBy: [idleTimeout]
    },
    {
      name: "who is held up judges by what it has not read yet",
      file: lifecycle,
      find: "if (transport.afterReads === undefined) return judge()",
      replace: "if (transport !== undefined) return judge()",
      caughtBy: ["test/node/silence.test.ts", "test/connection/heldUp.test.ts"]
    },
    {
      name: "who was late, and heard in time, is watched no more",
      file: live,
      find: "      else this.watch?.resumed()\n",
      replace: "",
      caughtBy: ["test/connection/heldUp.test.ts"]
    },
    {
      name: "the read deadline runs while this end has paused reading",
      file: live,
      find: "      if (this.isPaused) return\n      if (this.lastActivity",
      replace: "      if (this.lastActivity",
      caughtBy: [connection]
    },
    {
      name: "the time of a pause counts as the peer's silence",
      file: live,
      find: "    this.isPaused = false\n    this.heard()\n",
      replace: "    this.isPaused = false\n",
      caughtBy: [connection]
    },
    {
      name: "a pong does not move the read deadline",
      file: live,
      find: "    this.heard()\n    // What this end has asked for",
      replace: "    // What this end has asked for",
      caughtBy: [connection]
    },
    {
      name: "a ping does not move the read deadline",
      file: live,
      find: "    this.heard()\n    this.phase.sink.pinged",
      replace: "    this.phase.sink.pinged",
      caughtBy: [connection]
    },
    {
      name: "what this end sends moves the read deadline",
      file: live,
      find: "    this.counts.messagesOut++\n",
      replace: "    this.lastActivity = this.owner.clock.unsafeCurrentTimeMillis()\n    this.counts.messagesOut++\n",
      caughtBy: [connection]
    },
    {
      name: "the first heartbeat is not jittered",
      file: "src/connection/heartbeat.ts",
      find: "+ Math.round(beating.interval * part))",
      replace: "+ beating.interval + 0 * part)",
      caughtBy: [connection]
    },
    {
      name: "every heartbeat is jittered anew",
      file: "src/connection/heartbeat.ts",
      find: "const task = new HeartTask(beating, beats)\n",
      replace: `const interval = Math.round(beating.interval * part)
      const task = new HeartTask({ interval, beat: () => beating.beat(), died: (defect) => beating.died(defect) }, beats)
`,
      caughtBy: [connection]
    },
    {
      name: "any pong gives the round-trip time",
      file: "src/connection/live/pingTracker.ts",
      find: "if (id === this.latestId && !this.isAnswered) {",
      replace: "if (!this.isAnswered) {",
      caughtBy: [connection]
    },
    {
      name: "the write deadline is never armed",
      file: live,
      find: "if (isWatched) return\n",
      replace: "if (isWatched || !isWatched) return\n",
      caughtBy: [connection]
    },
    {
      name: "the write deadline counts from the latest write",
      file: writeDeadline,
      find: "else this.marks.push({ at, from, until })\n",
      replace: "else this.marks = [{ at, from, until }]\n",
      caughtBy: [connection]
    },
    {
      name: "the write deadline counts writes that have left",
      file: writeDeadline,
      find: "({ until }) => until > taken",
      replace: "({ until }) => until >= taken",
      caughtBy: [connection]
    },
    {
      name: "the write deadline is one millisecond early",
      file: writeDeadline,
      find: "const now = monotonic(clock)",
      replace: "const now = monotonic(clock) + 1",
      caughtBy: [connection]
    },
    {
      name: "the last millisecond of the write deadline is not waited for when it was moved",
      file: writeDeadline,
      find: "return at > now\n",
      replace: "return at > now + 1\n",
      caughtBy: [connection]
    },
    {
      name: "a peer that is faster than the application is not paused",
      file: "src/connection/receiveQueue.ts",
      find: "this.size >= this.maxSize || this.items.length >= maxItems",
      replace: "this.size >= this.maxSize && this.items.length >= maxItems",
      caughtBy: [connection]
    },
    {
      name: "a later reason replaces the first",
      file: lifecycle,
      find: "    if (this.end !== undefined) return\n    const before = this.phase\n",
      replace: "    const before = this.phase\n",
      caughtBy: [connection]
    },
    {
      name: "a peer that does not answer the close is not destroyed",
      file: lifecycle,
      find: "return Effect.asVoid(Effect.zipRight(closed, forced))",
      replace: "void forced\n      return Effect.asVoid(closed)",
      caughtBy: [connection]
    },
    {
      name: "the end of the scope does not close the connection",
      file: live,
      find: '          live.close(CloseCode.GoingAway, "")\n          return live.gone\n',
      replace: "          return Effect.void\n",
      caughtBy: [connection]
    },
    {
      name: "the supervised fibers go on after the end",
      file: live,
      find: `    this.heart?.stop()
    this.watch?.stop()
`,
      replace: "",
      caughtBy: [connection]
    },
    {
      name: "senders that wait for room are not told of the end",
      file: live,
      find: "    this.watch?.stop()\n    this.backpressure.release()\n",
      replace: "    this.watch?.stop()\n",
      caughtBy: [connection]
    },
    {
      name: "a connection of which a fiber dies twice lives on",
      file: lifecycle,
      find: "!Cause.isInterruptedOnly(exit.cause)",
      replace: 'exit.cause._tag === "Die"',
      caughtBy: ["test/connection/liveConnection.test.ts"]
    },
    {
      name: "nobody hears what a connection died of",
      file: lifecycle,
      find: '    this.owner.fork(Effect.logError("holdfast: a connection died", cause))\n',
      replace: "    void cause\n",
      caughtBy: ["test/connection/liveConnection.test.ts"]
    },
    {
      name: "close reasons are cut by characters",
      file: "src/protocol/oneLine.ts",
      find: "  let end = Math.min(most, bytes.length)\n",
      replace: "  let end = bytes.length\n",
      caughtBy: [closeCodes, connection]
    },
    {
      name: "close reasons are cut inside a character",
      file: "src/protocol/oneLine.ts",
      find: "  while (end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--\n",
      replace: "",
      caughtBy: [closeCodes, connection]
    },
    {
      name: "1000 counts as wanted, bye or not",
      file: closeCode,
      find: 'return options?.byeSent === true ? stop("Ended") : resume("Lost")',
      replace: 'return options?.byeSent === false ? resume("Lost") : stop("Ended")',
      caughtBy: [closeCodes, "test/session/resume.test.ts"]
    },
    {
      name: "4409 is answered by coming back",
      file: closeCode,
      find: 'return stop("TakenOver")',
      replace: 'return resume("Lost")',
      caughtBy: [closeCodes]
    },
    {
      name: "a slow consumer is sent away for good",
      file: closeCode,
      find: 'return resume("TooSlow")',
      replace: 'return stop("Refused")',
      caughtBy: [closeCodes]
    },
    {
      name: "codes from 4500 on are retried",
      file: closeCode,
      find: "code >= 4500 && code <= 4999",
      replace: "code > 4500 && code <= 4999",
      caughtBy: [closeCodes]
    },
    {
      name: "HTTP 403 is retried",
      file: closeCode,
      find: '    case 403:\n      return stop("NotAllowed")\n',
      replace: '    case 403:\n      return resume("TryLater")\n',
      caughtBy: [reconnect]
    },
    {
      name: "not allowed and not authenticated are mixed up",
      file: "src/gateway/session/endReason.ts",
      find: "return [CloseCode.NotAllowed, end.reason]",
      replace: "return [CloseCode.NotAuthenticated, end.reason]",
      caughtBy: ["test/gateway/authentication.test.ts"]
    }
  ]
}
