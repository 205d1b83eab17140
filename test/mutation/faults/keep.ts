import type { Group } from "../fault.js"

const keep = "test/connection/keep.test.ts"
const kept = "src/connection/keep/keptConnection.ts"
const sender = "src/connection/keep/sender.ts"
const inbound = "src/connection/keep/inbound.ts"

export const group: Group = {
  title: "A connection that is kept, to any server",
  faults: [
    {
      name: "the application's verdict is not asked for",
      file: "src/connection/keep/lifecycle.ts",
      find: "(rules.verdict?.(end, proposed) ?? proposed)",
      replace: "proposed",
      caughtBy: [keep]
    },
    {
      name: "a server's own close codes are taken for Holdfast's",
      file: kept,
      find: 'end._tag === "ClosedByPeer" && end.code >= 4000 ? resume("Lost") : proposed',
      replace: "proposed",
      caughtBy: [keep]
    },
    {
      name: "nobody is told that messages may be missing",
      file: kept,
      find: "if (lost !== undefined && ",
      replace: "if (lost === undefined && ",
      caughtBy: [keep]
    },
    {
      name: "gaps with nothing between them are kept without end",
      file: kept,
      find: ' && received.last?._tag !== "Gap"',
      replace: "",
      caughtBy: [keep]
    },
    {
      name: "what onConnect does not receive is lost",
      file: kept,
      find: "mine.moveTo<Received<In>, NotKept>(",
      replace: "void [] && mine.moveTo<Received<In>, NotKept>(",
      caughtBy: [keep]
    },
    {
      name: "an onConnect that never ends is waited for",
      file: kept,
      find: "duration: connectTimeout,",
      replace: "duration: 10 * connectTimeout,",
      caughtBy: [keep]
    },
    {
      name: "an onConnect outlives its connection",
      file: kept,
      find: "Effect.raceFirst(detached(run), Effect.flatMap(live.ended, Effect.fail))",
      replace: "detached(run)",
      caughtBy: [keep]
    },
    {
      name: "the times that onConnect sets are not kept to",
      file: kept,
      find: "live.keepAlive(timing, part)",
      replace: "live.keepAlive(resolved, part)",
      caughtBy: [keep]
    },
    {
      name: "what is sent overtakes what waits",
      file: sender,
      find: "Effect.unsafeMakeLatch(this.line.length === 0)",
      replace: "Effect.unsafeMakeLatch(true)",
      caughtBy: [keep]
    },
    {
      name: "what waits for a connection has no bound",
      file: sender,
      find: "this.waiting + size > this.most",
      replace: "this.waiting + size < 0",
      caughtBy: [keep]
    },
    {
      name: "a send waits for ever when there will be no other connection",
      file: sender,
      find: "    this.end ??= reason\n",
      replace: "",
      caughtBy: [keep]
    },
    {
      name: "answers to heartbeats are messages",
      file: inbound,
      find: "if (heartbeat.isPong?.(message) === true) return to.pong()\n",
      replace: "if (heartbeat.isPong?.(message) === true) to.pong()\n",
      caughtBy: [keep]
    },
    {
      name: "a server that pings and does not read is answered without end",
      file: kept,
      find: "live.isCongested || write(live, message)",
      replace: "write(live, message)",
      caughtBy: [keep]
    },
    {
      name: "what a server sends wrongly ends the connection",
      file: inbound,
      find: "return this.to.invalid(decoded.left)",
      replace: "throw decoded.left",
      caughtBy: [keep]
    }
  ]
}
