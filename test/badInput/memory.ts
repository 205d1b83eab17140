/** Memory that is kept: how much garbage waits to be collected is the affair of V8, and not the same in any two versions of it. */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void

/** Bytes on this thread's heap and in its buffers. */
export const used = (): number => {
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** The same without garbage. It takes tens of milliseconds. */
export const kept = (): number => {
  collect()
  // What the first finds of buffers may still be given back while the program goes on; it is before the second begins.
  collect()
  return used()
}
