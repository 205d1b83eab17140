import type { Group } from "../fault.js"

export const group: Group = {
  title: "Pages: kept sessions, interruptions, a page's WebSocket",
  faults: [
    {
      name: "an attempt to resume is not noted before it is made",
      file: "src/client/resumeState.ts",
      find: "    this.attempts++\n    this.note()\n",
      replace: "    this.attempts++\n",
      caughtBy: ["test/client/keptSession.test.ts"]
    },
    {
      name: "the secret of a welcome is not kept",
      file: "src/client/resumeState.ts",
      find: "    this.ticket = ticket\n    this.note()\n",
      replace: "    this.ticket = ticket\n",
      caughtBy: ["test/client/keptSessionEnds.test.ts"]
    },
    {
      name: "what was processed is kept after it was acknowledged",
      file: "src/client/resumeState.ts",
      find: "processed: Math.max(processed, progress.processed)",
      replace: "processed: Math.max(0, progress.processed - 1)",
      caughtBy: ["test/client/keptSessionAtRandom.test.ts"]
    },
    {
      name: "a client whose session another page has never resumes again",
      file: "src/client/resumeState.ts",
      find: "    if (this.keeper?.isMine() === false) this.keeper = undefined\n",
      replace: "",
      caughtBy: ["test/client/keptSessionEnds.test.ts"]
    },
    {
      name: "what was acknowledged stays kept",
      file: "src/client/clientSession.ts",
      find: "released: () => this.held.released(this.driver.state.acked)",
      replace: "released: () => {}",
      caughtBy: ["test/client/keptSession.test.ts"]
    },
    {
      name: "a lost session stays kept",
      file: "src/client/clientSession.ts",
      find: "    this.held.forget()\n    return this.driver",
      replace: "    return this.driver",
      caughtBy: ["test/client/keptSessionEnds.test.ts"]
    },
    {
      name: "every end forgets the session",
      file: "src/client/clientSession.ts",
      find: "    if (forgets) this.held.forget()\n",
      replace: "    this.held.forget()\n",
      caughtBy: ["test/client/keptSessionEnds.test.ts"]
    },
    {
      name: "a page goes on with the topics of the one before",
      file: "src/client/standings.ts",
      find: '    for (const topic of subscribedBefore) this.byTopic.set(topic, { _tag: "Inherited" })\n',
      replace: "    void subscribedBefore\n",
      caughtBy: ["test/client/keptTopics.test.ts"]
    },
    {
      name: "a page leaves what its server had invited the one before to",
      file: "src/client/standings.ts",
      find: '.filter((topic) => this.byTopic.get(topic)?._tag !== "Invited")',
      replace: "",
      caughtBy: ["test/client/keptTopics.test.ts"]
    },
    {
      name: "Awake overrides the delay that a server asked for",
      file: "src/connection/keep/retryDelay.ts",
      find: "const called = this.called(!isAsked)",
      replace: "const called = this.called(true)",
      caughtBy: ["test/browser/unit/hostEvents.test.ts"]
    },
    {
      name: "a storm of Awake is a storm of dials",
      file: "src/connection/keep/retryDelay.ts",
      find: "if (left > 0) yield*",
      replace: "if (left < 0) yield*",
      caughtBy: ["test/browser/unit/hostEvents.test.ts"]
    },
    {
      name: "an attempt that was under way is not followed by another",
      file: "src/connection/keep/retryDelay.ts",
      find: "      if (this.isUnheeded) this.calls?.awake?.unsafeOpen()\n",
      replace: "",
      caughtBy: ["test/browser/unit/hostEvents.test.ts"]
    },
    {
      name: "a silence of exactly the deadline is none",
      file: "src/connection/liveConnection.ts",
      find: "if (silence >= readDeadline) ",
      replace: "if (silence > readDeadline) ",
      caughtBy: ["test/connection/machineSleep.test.ts"]
    },
    {
      name: "what was heard before the ping answers it",
      file: "src/connection/liveConnection.ts",
      find: "const probing = { isAnswered: false }",
      replace: "const probing = { isAnswered: this.lastActivity >= this.owner.clock.unsafeCurrentTimeMillis() }",
      caughtBy: ["test/browser/unit/hostEvents.test.ts"]
    },
    {
      name: "a ninth session is kept",
      file: "src/browser/internal/storageKeeper.ts",
      find: "const slots = 8",
      replace: "const slots = 9",
      caughtBy: ["test/browser/unit/storageKeeper.test.ts"]
    },
    {
      name: "a gap in what was kept is gone on with",
      file: "src/browser/internal/storageSlot.ts",
      find: "if (Option.isNone(item) || Option.isNone(payload)) return undefined",
      replace: "if (Option.isNone(item) || Option.isNone(payload)) return messages",
      caughtBy: ["test/browser/unit/storageFaults.test.ts"]
    },
    {
      name: "what is sent while the page is left is not told of",
      file: "src/browser/internal/storageKeeper.ts",
      find: '      if (this.state === "left") this.write()\n',
      replace: "",
      caughtBy: ["test/browser/unit/storagePages.test.ts"]
    },
    {
      name: "a lock that is granted too late is held for ever",
      file: "src/browser/internal/sessionLock.ts",
      find: "      if (signal.aborted) return undefined\n",
      replace: "",
      caughtBy: ["test/browser/unit/storageLocks.test.ts"]
    },
    {
      name: "what a closed WebSocket has not sent counts for ever",
      file: "src/connection/webSocketTransport.ts",
      find: "this.isOpen ? this.webSocket.bufferedAmount : 0",
      replace: "this.webSocket.bufferedAmount",
      caughtBy: ["test/browser/unit/browserTransport.test.ts"]
    },
    {
      name: "the end is handed over within destroy",
      file: "src/connection/webSocketTransport.ts",
      find: '      this.end = { code: CloseCode.Abnormal, reason: "", clean: false }\n    }\n    this.handOverSoon()',
      replace: '      this.end = { code: CloseCode.Abnormal, reason: "", clean: false }\n    }\n    this.handOver()',
      caughtBy: ["test/browser/unit/browserTransport.test.ts"]
    },
    {
      name: "empty messages are held without a bound",
      file: "src/connection/webSocketTransport.ts",
      find: "this.arrivedBytes + this.arrived.length * heldEnvelope",
      replace: "this.arrivedBytes",
      caughtBy: ["test/browser/unit/browserTransport.test.ts"]
    },
    {
      name: "a dial that is interrupted goes on",
      file: "src/browser/BrowserDialer.ts",
      find: "yield* Effect.onInterrupt(opened(webSocket, request), () => destroy(transport))",
      replace: "yield* opened(webSocket, request)",
      caughtBy: ["test/browser/unit/browserDialer.test.ts"]
    }
  ]
}
