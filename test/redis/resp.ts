/** One question to a Redis server over a connection of its own, without a client: what the harness itself needs. */
import * as Net from "node:net"
import { Data, Effect } from "effect"

export type Reply = string | number | null | ReadonlyArray<Reply>

/** The server refused, or nobody answered. */
export class NoReply extends Data.TaggedError("NoReply")<{
  readonly question: string
  readonly message: string
}> {}

class Refusal {
  constructor(readonly message: string) {}
}

type Parsed = { readonly value: Reply | Refusal; readonly end: number } | undefined

/** The reply that begins at `at`, and where it ends; `undefined` while it is not all there. */
const parse = (input: Buffer, at: number): Parsed => {
  const lineEnd = input.indexOf("\r\n", at)
  if (lineEnd < 0) return undefined
  const line = input.toString("utf8", at + 1, lineEnd)
  const start = lineEnd + 2
  switch (input.toString("latin1", at, at + 1)) {
    case "+":
      return { value: line, end: start }
    case "-":
      return { value: new Refusal(line), end: start }
    case ":":
      return { value: Number(line), end: start }
    case "$":
      return bulk(input, start, Number(line))
    case "*":
      return list(input, start, Number(line))
    default:
      return { value: new Refusal(`a reply of no known type: ${line}`), end: start }
  }
}

const bulk = (input: Buffer, start: number, length: number): Parsed => {
  if (length < 0) return { value: null, end: start }
  if (input.length < start + length + 2) return undefined
  return { value: input.toString("utf8", start, start + length), end: start + length + 2 }
}

const list = (input: Buffer, start: number, count: number): Parsed => {
  const values: Array<Reply> = []
  let end = start
  while (values.length < count) {
    const parsed = parse(input, end)
    if (parsed === undefined || parsed.value instanceof Refusal) return parsed
    values.push(parsed.value)
    end = parsed.end
  }
  return { value: count < 0 ? null : values, end }
}

const encode = (words: ReadonlyArray<string>): string =>
  `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`

/** Asks the server at this port of 127.0.0.1. It waits for as long as the server does not answer: bound it. */
export const ask = (port: number, words: ReadonlyArray<string>): Effect.Effect<Reply, NoReply> =>
  Effect.async((resume) => {
    const question = words.join(" ")
    const socket = Net.connect({ host: "127.0.0.1", port, noDelay: true })
    const fail = (message: string) => {
      socket.destroy()
      resume(Effect.fail(new NoReply({ question, message })))
    }
    let input = Buffer.alloc(0)
    socket.on("error", ({ message }) => fail(message))
    socket.on("close", () => fail("the connection ended"))
    socket.on("data", (chunk) => {
      input = Buffer.concat([input, chunk])
      const parsed = parse(input, 0)
      if (parsed === undefined) return
      if (parsed.value instanceof Refusal) return fail(parsed.value.message)
      resume(Effect.succeed(parsed.value))
      socket.destroy()
    })
    socket.write(encode(words))
    return Effect.sync(() => socket.destroy())
  })

/** A reply as `redis-cli` prints it where nobody looks: a line for each value, none for nil. */
export const show = (reply: Reply): string =>
  Array.isArray(reply) ? reply.map(show).join("\n") : reply === null ? "" : String(reply)
