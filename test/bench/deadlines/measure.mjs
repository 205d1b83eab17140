/** What every way to move a read deadline is measured by: a message on each connection, again and again. */
import { measured } from "../measured.mjs"

export const connections = 1000
/** Milliseconds: short, so that what looks at the deadlines from time to time counts, too. */
export const deadline = 1000

const warmUp = 1

const turnOfTheLoop = () => new Promise(setImmediate)

/** Every message moves a deadline; the loop turns as it does between the reads of a server, so that timers run. */
const runFor = async (seconds, moveAll) => {
  const end = performance.now() + seconds * 1000
  let messages = 0
  while (performance.now() < end) {
    await moveAll()
    messages += connections
    await turnOfTheLoop()
  }
  return messages
}

export const exceeded = () => {
  throw new Error("a deadline has passed in silence, and there was none")
}

/** `begin` sets every connection's deadline, and gives what moves all of them. */
export const measure = (begin) => {
  const seconds = Number(process.argv[2])
  return measured(async () => {
    const moveAll = begin()
    await runFor(warmUp, moveAll)
    const before = process.cpuUsage()
    const messages = await runFor(seconds, moveAll)
    const { system, user } = process.cpuUsage(before)
    return { nanosPerMessage: ((system + user) * 1000) / messages }
  })
}
