/** Opening many connections, some at a time. */
import type { Link, Receiver } from "./peer.js"
import type { Run } from "./workload.js"

/** As many as a server's accept queue holds with ease. */
const atOnce = 100

export const pause = (millis: number): Promise<void> => new Promise((resume) => setTimeout(resume, millis))

/** Opens `count` connections; `message` hears what they receive, and which one it was. */
export const openAll = async (
  { fail, peer, server }: Run,
  count: number,
  message: (text: string, index: number) => void
): Promise<ReadonlyArray<Link>> => {
  const links: Array<Link> = []
  let next = 0
  const open = async (): Promise<void> => {
    while (next < count) {
      const index = next++
      const receiver: Receiver = {
        message: (text) => message(text, index),
        lost: (why) => fail(new Error(`connection ${index} was lost: ${why.message}`))
      }
      links[index] = await peer.connect(server.port, receiver)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, open))
  return links
}
