/** Waiting until a server has nothing left to do. */
import { pause } from "./connections.js"
import type { ServerProcess } from "./serverProcess.js"

const step = 100
/** Steps without work, one after another. */
const needed = 3
/** The system counts processor time in ticks of this: one of them may be any housekeeping. */
const tickMicros = 10_000

export const untilQuiet = async (server: ServerProcess): Promise<void> => {
  let before = server.cpuMicros()
  for (let quiet = 0; quiet < needed; ) {
    await pause(step)
    const now = server.cpuMicros()
    quiet = now - before <= tickMicros ? quiet + 1 : 0
    before = now
  }
}
