import type { Group } from "../fault.js"

const frameReader = "src/node/internal/frameReader.ts"
const agenda = "src/connection/timerQueue.ts"
const sessionFiber = "src/gateway/session/handlerFiber.ts"

const frames = "test/node/frameReader.test.ts"
const agendas = "test/connection/timerQueue.test.ts"
const fibers = "test/gateway/handlerFiber.test.ts"

export const group: Group = {
  title: "What serves many at little cost: frames read here, one agenda for all, sessions without fibers",
  faults: [
    {
      name: "a frame is read here in the middle of another",
      file: frameReader,
      find: "const at = this.missing > 0 ? 0 : this.take(chunk)",
      replace: "const at = this.take(chunk)",
      caughtBy: [frames]
    },
    {
      name: "an agenda remembers what is no more",
      file: agenda,
      find: "    if (this.times.length > 2 * this.slots.size + fewTimes) this.forgetTimes()\n",
      replace: "",
      caughtBy: [agendas]
    },
    {
      name: "the last bytes of a payload are unmasked with the first of the key",
      file: frameReader,
      find: "(bytes[key + ((at - from) & 3)] ?? 0)",
      replace: "(bytes[key] ?? 0)",
      caughtBy: [frames]
    },
    {
      name: "text that is not UTF-8 is told",
      file: frameReader,
      find: "} else if (isUtf8(chunk.subarray(start, end))) {",
      replace: "} else if (start <= end) {",
      caughtBy: [frames]
    },
    {
      name: "what ws is to judge comes with its mask undone",
      file: frameReader,
      find: "      if (this.keySize !== 0) unmask(chunk, keyAt, start, end)\n      return false\n",
      replace: "      return false\n",
      caughtBy: [frames]
    },
    {
      name: "what a peer sends after a violation is told",
      file: "src/node/internal/wsTransport.ts",
      find: "    this.reader?.stop()\n    this.cause = error\n",
      replace: "    this.cause = error\n",
      caughtBy: [frames]
    },
    {
      name: "a task that was removed falls due",
      file: agenda,
      find: "    if (task.place >= 0) this.take(task)\n    task.place = absent\n",
      replace: "    task.place = absent\n",
      caughtBy: [agendas]
    },
    {
      name: "what is due before all else waits for it",
      file: agenda,
      find: "(this.until !== undefined && this.until <= earliest)",
      replace: "this.until !== undefined",
      caughtBy: [agendas]
    },
    {
      name: "a task that has removed itself is due again",
      file: agenda,
      find: "      if (task.place !== due) return\n",
      replace: "      if (task.place >= 0) return\n",
      caughtBy: [agendas]
    },
    {
      name: "what comes while a handler waits is left",
      file: sessionFiber,
      find: "return next === undefined ? Effect.void : this.all(next)",
      replace: "return Effect.void",
      caughtBy: [fibers]
    },
    {
      name: "a session that is over waits for its handler",
      file: sessionFiber,
      find: "        return phase.fiber.unsafeInterruptAsFork(FiberId.none)\n",
      replace: "        return\n",
      caughtBy: [fibers]
    },
    {
      name: "a session that a handler has ended goes on with what has come",
      file: "src/gateway/session/handlerLoop.ts",
      find: "return this.stopped || this.session.ended ? undefined",
      replace: "return this.stopped ? undefined",
      caughtBy: [fibers]
    },
    {
      name: "a message that was handled is not known to be",
      file: "src/gateway/session/handlerLoop.ts",
      find: "    if (inHand !== undefined) this.handled(inHand)\n",
      replace: "",
      caughtBy: [fibers]
    }
  ]
}
