/**
 * What every measured process does beside its work: it says when it has
 * started, answers questions, collects garbage when asked, and ends with its
 * parent.
 *
 * Measured processes are plain JavaScript: they carry no loader, and `holdfast`
 * resolves to what was built.
 */

const pause = (millis) => new Promise((resume) => setTimeout(resume, millis))

const heap = () => ({ heap: process.memoryUsage().heapUsed })

/** Several times: finalizers and weak references free in the rounds after the first. */
const collect = async () => {
  for (let round = 0; round < 5; round++) {
    globalThis.gc()
    await pause(50)
  }
  return heap()
}

/** Under load, which it holds up only once. */
const collectOnce = () => {
  globalThis.gc()
  return heap()
}

/** `start` gives what the parent is told first, and `requests` has a function for each question of its own. */
export const measured = async (start, requests = {}) => {
  const answers = { collect, collectOnce, ...requests }
  process.on("message", async (request) => {
    if (request === "stop") process.exit(0)
    process.send(await answers[request]())
  })
  process.on("disconnect", () => process.exit(0))
  process.on("SIGINT", () => {}) // Ctrl-C reaches the whole group; the parent stops this process
  process.send(await start())
}
