/**
 * What every server of the benchmark does beside serving: it says where it
 * listens, collects garbage when asked, and ends with its parent.
 *
 * Servers are plain JavaScript: the measured process carries no loader, and
 * `holdfast` resolves to what was built.
 */

/** Of those whose heartbeat is the workload, in milliseconds. */
export const heartbeatInterval = 1000

const pause = (millis) => new Promise((resume) => setTimeout(resume, millis))

/** Several times: finalizers and weak references free in the rounds after the first. */
const collect = async () => {
  for (let round = 0; round < 5; round++) {
    globalThis.gc()
    await pause(50)
  }
}

/**
 * `behaviours` has a function for each thing that a workload may ask of a
 * server; it starts listening at 127.0.0.1 and gives the port.
 */
export const serve = async (behaviours) => {
  const [, , name] = process.argv
  const start = behaviours[name]
  if (start === undefined) throw new Error(`this server has no behaviour "${name}"`)
  process.on("message", async (request) => {
    if (request === "stop") process.exit(0)
    await collect()
    process.send({ heap: process.memoryUsage().heapUsed })
  })
  process.on("disconnect", () => process.exit(0))
  process.on("SIGINT", () => {}) // Ctrl-C reaches the whole group; the parent stops this process
  process.send({ port: await start() })
}
