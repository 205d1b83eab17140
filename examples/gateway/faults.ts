/**
 * Breaks the connections of one client on purpose, so that its page can show what becomes of them: a Layer that takes the
 * Listener and gives it back with transports that can be cut, silenced and slowed. The gateway above knows nothing of it.
 *
 * For the demo alone: a gateway that is open to the world does not let strangers break connections, not even their own.
 */
import { Context, Data, Effect, Layer, Runtime } from "effect"
import { Listener } from "holdfast"
import { FaultyTransport } from "./faultyTransport.js"
import { type Mode, open, type Surroundings } from "./way.js"

export const actions = ["cut", "silence", "slow", "refuse", "heal"] as const
export type Action = (typeof actions)[number]

/** What is done to a client from now on; `remaining` is in milliseconds. */
export type Fault =
  | { readonly _tag: "None" }
  | { readonly _tag: "Silent" }
  | { readonly _tag: "Slow"; readonly delay: number }
  | { readonly _tag: "Refused"; readonly remaining: number }

export class UnknownClient extends Data.TaggedError("UnknownClient")<{ readonly client: string }> {
  override get message(): string {
    return `no client ${this.client} is connected here, or was of late`
  }
}

export class Faults extends Context.Tag("examples/Faults")<
  Faults,
  {
    /** Does this to the client that has dialled with `?client=<id>`; tells what is the matter with it from now on. */
    readonly apply: (client: string, action: Action) => Effect.Effect<Fault, UnknownClient>
    /** What is the matter with it; nothing with one that is not known. */
    readonly standing: (client: string) => Effect.Effect<Fault>
  }
>() {}

/** Each way, in milliseconds. */
const slowness = 1500
const refusal = 20_000

/** A client that has been gone for so long is forgotten, in milliseconds. */
const remembered = 120_000
/** Clients beyond it are served as any other, and cannot be broken. */
const maxClients = 1000

/** A browser that is silenced dials anew, so a silence belongs to its connection; what else is done belongs to the client. */
interface Client {
  readonly transports: Set<FaultyTransport>
  isSlow: boolean
  refusedUntil: number
  lastSeen: number
}

const idOf = (url: string): string | undefined => {
  const id = new URLSearchParams(url.split("?")[1]).get("client")
  return id !== null && /^[\w-]{8,64}$/.test(id) ? id : undefined
}

const slow: Mode = { _tag: "Slow", delay: slowness }

class Clients {
  private readonly known = new Map<string, Client>()

  constructor(private readonly surroundings: Surroundings) {}

  /** The client that dials, unless too many are known. */
  dialled(id: string): Client | undefined {
    const now = this.surroundings.now()
    const known = this.known.get(id)
    if (known !== undefined) {
      known.lastSeen = now
      return known
    }
    for (const [id, { lastSeen, transports }] of this.known) {
      if (transports.size === 0 && now - lastSeen >= remembered) this.known.delete(id)
    }
    if (this.known.size >= maxClients) return undefined
    const client: Client = { transports: new Set(), isSlow: false, refusedUntil: 0, lastSeen: now }
    this.known.set(id, client)
    return client
  }

  /** Milliseconds for which it is refused still. */
  refusedFor(client: Client): number {
    return Math.max(0, client.refusedUntil - this.surroundings.now())
  }

  accepted(client: Client, inner: ConstructorParameters<typeof FaultyTransport>[0]): FaultyTransport {
    const transport = new FaultyTransport(inner, this.surroundings, (gone) => {
      client.transports.delete(gone)
      client.lastSeen = this.surroundings.now()
    })
    client.transports.add(transport)
    if (client.isSlow) transport.become(slow)
    return transport
  }

  apply(id: string, action: Action): Fault | undefined {
    const client = this.known.get(id)
    if (client === undefined) return undefined
    const all = [...client.transports]
    switch (action) {
      case "cut":
        for (const transport of all) transport.destroy()
        return this.standing(client)
      case "silence":
        client.isSlow = false
        for (const transport of all) transport.become({ _tag: "Silent" })
        return this.standing(client)
      case "slow":
        client.isSlow = true
        client.refusedUntil = 0
        for (const transport of all) transport.become(slow)
        return this.standing(client)
      case "refuse":
        client.isSlow = false
        client.refusedUntil = this.surroundings.now() + refusal
        for (const transport of all) transport.destroy()
        return this.standing(client)
      case "heal":
        client.refusedUntil = 0
        client.isSlow = false
        for (const transport of all) transport.become(open)
        return this.standing(client)
    }
  }

  standingOf(id: string): Fault {
    const client = this.known.get(id)
    return client === undefined ? { _tag: "None" } : this.standing(client)
  }

  private standing(client: Client): Fault {
    const remaining = this.refusedFor(client)
    if (remaining > 0) return { _tag: "Refused", remaining }
    // One that was silenced may linger, unheard, beside the one that has replaced it.
    if ([...client.transports].at(-1)?.mode._tag === "Silent") return { _tag: "Silent" }
    return client.isSlow ? { _tag: "Slow", delay: slowness } : { _tag: "None" }
  }
}

/** Whoever comes with a `client` of its own can be broken; the others pass as they are. */
const decorated = (clients: Clients, incoming: Listener.Incoming): Listener.Incoming | undefined => {
  const id = idOf(incoming.request.url)
  const client = id === undefined ? undefined : clients.dialled(id)
  if (client === undefined) return incoming
  if (clients.refusedFor(client) > 0) return undefined
  const { accept, refuse, request } = incoming
  return {
    request,
    refuse,
    accept: (options) => Effect.map(accept(options), (inner) => clients.accepted(client, inner))
  }
}

/** Faults for the Listener below: provide it to the gateway in its place. */
export const layer: Layer.Layer<Listener.Listener | Faults, never, Listener.Listener> = Layer.effectContext(
  Effect.gen(function* () {
    const listener = yield* Listener.Listener
    const clock = yield* Effect.clock
    const runtime = yield* Effect.runtime<never>()
    const clients = new Clients({
      now: () => clock.unsafeCurrentTimeMillis(),
      fork: (effect) => Runtime.runFork(runtime)(effect, { immediate: false })
    })
    const listen: typeof listener.listen = (handler) =>
      listener.listen((incoming) => {
        const passed = decorated(clients, incoming)
        if (passed !== undefined) return handler(passed)
        Runtime.runFork(runtime)(incoming.refuse(503, "refused, as its page has asked"))
      })
    const apply = (client: string, action: Action) =>
      Effect.suspend(() => {
        const fault = clients.apply(client, action)
        return fault === undefined ? Effect.fail(new UnknownClient({ client })) : Effect.succeed(fault)
      })
    const standing = (client: string) => Effect.sync(() => clients.standingOf(client))
    return Context.make(Listener.Listener, { address: listener.address, listen }).pipe(
      Context.add(Faults, { apply, standing })
    )
  })
)
