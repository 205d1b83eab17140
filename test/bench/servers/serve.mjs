/** What every server of the benchmark does beside serving. */
import { measured } from "../measured.mjs"
import { delay, watchDelay } from "./loopDelay.mjs"

/** Of those whose heartbeat is the workload, in milliseconds. */
export const heartbeatInterval = 1000

/**
 * `behaviours` has a function for each thing that a workload may ask of a
 * server; it starts listening at 127.0.0.1 and gives the port.
 */
export const serve = (behaviours) => {
  const [, , name] = process.argv
  const listen = behaviours[name]
  if (listen === undefined) throw new Error(`this server has no behaviour "${name}"`)
  return measured(async () => ({ port: await listen() }), { watchDelay, delay })
}
