/** Opening many connections, some at a time. */
import type { Link, Peer, Receiver } from "./peer.js"
import type { ServerProcess } from "./serverProcess.js"
import type { Run } from "./workload.js"

/** As many as a server's accept queue holds with ease. */
const atOnce = 100

export const pause = (millis: number): Promise<void> => new Promise((resume) => setTimeout(resume, millis))

/** The first of a run's servers, or another. */
export const serverOf = ({ servers }: Run, at = 0): ServerProcess => {
  const server = servers[at]
  if (server === undefined) throw new Error(`the workload has no server ${at}`)
  return server
}

/** Makes `count` of them, each known by its index. */
export const makeAll = async <A>(count: number, make: (index: number) => Promise<A>): Promise<ReadonlyArray<A>> => {
  const all: Array<A> = []
  let next = 0
  const some = async (): Promise<void> => {
    while (next < count) {
      const index = next++
      all[index] = await make(index)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, some))
  return all
}

/** Opens `count` connections; `message` hears what they receive, and which one it was. */
export const openAll = (
  run: Run,
  { connect }: Peer,
  count: number,
  message: (text: string, index: number) => void
): Promise<ReadonlyArray<Link>> =>
  makeAll(count, (index) => {
    const receiver: Receiver = {
      message: (text) => message(text, index),
      lost: (why) => run.fail(new Error(`connection ${index} was lost: ${why.message}`))
    }
    return connect(serverOf(run).port, receiver)
  })
