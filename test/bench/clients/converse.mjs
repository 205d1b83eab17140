/** What every process of clients does, whatever they are: so many messages in flight on each, there and back. */
import { measured } from "../measured.mjs"

const clients = 50
const inFlight = 8
const size = 64

const filler = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ0123"

/** The message of that number of that client: no two are the same. */
const textOf = (client, number) => {
  const head = `${client}/${number}/`
  return head + filler.slice(0, size - head.length)
}

/**
 * `connect(port, reply)` makes one client, and gives a function that sends a
 * text. The client gives every text that it receives to `reply`, and sends what
 * that gives.
 */
export const converse = (connect) => {
  const port = Number(process.argv[2])
  let messages = 0
  const start = async (_, client) => {
    let echoed = 0
    const send = await connect(port, (text) => {
      const expected = textOf(client, echoed)
      if (text !== expected) throw new Error(`client ${client} expected "${expected}" and received "${text}"`)
      messages++
      return textOf(client, echoed++ + inFlight)
    })
    return () => {
      for (let number = 0; number < inFlight; number++) send(textOf(client, number))
    }
  }
  return measured(
    async () => {
      for (const begin of await Promise.all(Array.from({ length: clients }, start))) begin()
      return {}
    },
    { messages: () => ({ messages }) }
  )
}
