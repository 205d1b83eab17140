/** A page that does what a test asks of it: a client of Holdfast as functions of `window.holdfast`. */
import { Effect, Exit, Scope, Stream } from "effect"
import { Client, type ClientStatus, Codec, Messages, Reconnect } from "holdfast"
import { BrowserClient } from "holdfast/browser"
import { numbers } from "./numbers.js"

/** What a test can pass into a page: options of the client that are data, and the backoff in words. */
export interface ConnectOptions
  extends Omit<
    Client.ClientOptions<unknown, unknown>,
    "messages" | "url" | "token" | "onInvalid" | "reconnect" | "codec"
  > {
  readonly url: string
  readonly token?: string | undefined
  readonly codec?: "json" | "msgpack" | undefined
  /** Keeps the session under this key. */
  readonly keep?: string | undefined
  /** Default: at once. */
  readonly reconnect?: Parameters<typeof Reconnect.exponential>[0]
}

/** When it came, by the page's clock. */
interface At {
  readonly at: number
}

export interface TestPage {
  /** Starts a client; the one before it goes, as its scope does, without a word of its session's end. */
  readonly connect: (options: ConnectOptions) => Promise<void>
  /** Closes the client's scope. */
  readonly leave: () => Promise<void>
  /** Everything since `connect`. */
  readonly history: ReadonlyArray<ClientStatus.Status & At>
  readonly events: ReadonlyArray<ClientStatus.ClientEvent & At>
  readonly received: Array<unknown>
  readonly send: (message: unknown) => Promise<void>
  readonly deliver: (message: unknown) => Promise<void>
  /** Resolves once it is published in the topic `numbers`. */
  readonly publish: (value: number) => Promise<void>
  /** Subscribes to that topic; what is told from then on goes into `published`. */
  readonly subscribe: () => void
  readonly published: ReadonlyArray<{ readonly value: number } & At>
  /** The most that the page's sockets had in their buffers after a `send`, in bytes. */
  readonly mostBuffered: () => number
  readonly stats: () => Promise<ClientStatus.ClientStats>
  readonly reconnect: () => Promise<void>
  /** Ends the session. */
  readonly close: () => Promise<void>
}

declare global {
  interface Window {
    readonly holdfast: TestPage
  }
}

let mostBuffered = 0

globalThis.WebSocket = class extends WebSocket {
  override send(data: Parameters<WebSocket["send"]>[0]): void {
    super.send(data)
    mostBuffered = Math.max(mostBuffered, this.bufferedAmount)
  }
}

type Running = { readonly client: Client.Client<unknown, unknown>; readonly scope: Scope.CloseableScope }

const history: Array<ClientStatus.Status & At> = []
const events: Array<ClientStatus.ClientEvent & At> = []
const received: Array<unknown> = []
const published: Array<{ readonly value: number } & At> = []
let running: Running | undefined

const withClient = <A, E>(use: (client: Client.Client<unknown, unknown>) => Effect.Effect<A, E>): Promise<A> =>
  Effect.runPromise(
    Effect.suspend(() => (running === undefined ? Effect.dieMessage("connect was not called") : use(running.client)))
  )

const leave = Effect.suspend(() => {
  if (running === undefined) return Effect.void
  const { scope } = running
  running = undefined
  return Scope.close(scope, Exit.void)
})

const connect = ({ codec = "json", keep, reconnect, ...options }: ConnectOptions) =>
  Effect.gen(function* () {
    yield* leave
    for (const kept of [history, events, received, published]) kept.length = 0
    const scope = yield* Scope.make()
    const client = yield* Client.make<unknown, unknown>({
      stableAfter: 0,
      ...options,
      codec: Codec[codec],
      messages: Messages.json,
      reconnect: Reconnect.exponential(reconnect ?? { base: "5 millis", max: "50 millis" })
    }).pipe(
      Scope.extend(scope),
      Effect.provide(BrowserClient.layer({ keepSession: keep === undefined ? undefined : { key: keep } }))
    )
    running = { client, scope }
    const note = <A extends object>(stream: Stream.Stream<A>, into: Array<A & At>) =>
      Effect.forkIn(
        Stream.runForEach(stream, (a) => Effect.sync(() => void into.push({ ...a, at: Date.now() }))),
        scope
      )
    yield* note(client.changes, history)
    yield* note(client.events, events)
    yield* Effect.forkIn(
      Stream.runForEach(client.messages, (message) => Effect.sync(() => void received.push(message))),
      scope
    )
  })

const subscribe = ({ client, scope }: Running) =>
  client.subscribe(numbers).pipe(
    Stream.filter(Client.hasValue),
    Stream.runForEach(({ value }) => Effect.sync(() => void published.push({ value, at: Date.now() }))),
    Effect.forkIn(scope)
  )

const holdfast: TestPage = {
  connect: (options) => Effect.runPromise(connect(options)),
  leave: () => Effect.runPromise(leave),
  history,
  events,
  received,
  send: (message) => withClient((client) => client.send(message)),
  deliver: (message) => withClient((client) => client.deliver(message)),
  publish: (value) => withClient((client) => Effect.asVoid(client.publish(numbers, value))),
  subscribe: () => void (running === undefined || Effect.runSync(subscribe(running))),
  published,
  mostBuffered: () => mostBuffered,
  stats: () => withClient((client) => client.stats),
  reconnect: () => withClient((client) => client.reconnect),
  close: () => withClient((client) => client.close)
}

Object.assign(window, { holdfast })
