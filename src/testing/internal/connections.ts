/** The connections of a network: dials, the listeners they reach, the links that come of them. */
import * as Effect from "effect/Effect"
import type { Dialer, DialRequest } from "../../connection/Dialer.js"
import type { Incoming, Listener } from "../../connection/Listener.js"
import type { Transport } from "../../connection/Transport.js"
import * as upgradeRefusal from "../../connection/upgradeRefusal.js"
import { ConnectionLost, DialFailed, DialRefused, ListenFailed } from "../../protocol/ConnectionError.js"
import type { Link, Side } from "./link.js"
import type { Boot, Machine } from "./machine.js"
import * as memoryLink from "./memoryLink.js"
import type { Reach } from "./network.js"
import type { Paths } from "./paths.js"
import type { Surroundings } from "./wire.js"

type DialError = DialFailed | DialRefused

interface Connected {
  readonly from: string
  readonly to: string
  readonly link: Link
  readonly isOver: () => boolean
  readonly leave: () => void
}

interface Dialling {
  readonly from: string
  readonly to: string
  readonly fail: (cause: string) => void
}

/** Rough sizes of an upgrade request and its answer, in bytes. */
const requestSize = 500
const answerSize = 200

/** The machine that serves whoever asks for one that the network does not know. */
const byDefault = "server"

/** Messages to a machine that does not read: they wait with the sender. */
const setStalled = (link: Link, sender: Side, isStalled: boolean): void =>
  isStalled ? link.stall(sender) : link.release(sender)

export class Connections {
  dials = 0
  onLink: (link: Link) => void = () => {}

  private connected: Array<Connected> = []
  private readonly dialling = new Set<Dialling>()
  private readonly handlers = new Map<string, (incoming: Incoming) => void>()
  private readonly addresses = new Map([["client", "memory"]])
  private readonly reaches = new Map<string, Reach>()
  private reachOfAll: Reach = { _tag: "Open" }
  private readonly stalled = new Set<string>()

  constructor(
    private readonly network: {
      readonly machine: (name: string) => Machine
      readonly names: () => Iterable<string>
      readonly paths: Paths
      readonly surroundings: Surroundings
      readonly clientPings: boolean
    }
  ) {}

  links(): ReadonlyArray<Link> {
    return this.current().map(({ link }) => link)
  }

  private current(): ReadonlyArray<Connected> {
    this.connected = this.connected.filter(({ isOver, leave }) => {
      if (isOver()) leave()
      return !isOver()
    })
    return this.connected.filter(({ link }) => link.isOpen())
  }

  setAddress(machine: string, address: string): void {
    this.addresses.set(machine, address)
  }

  setReach(reach: Reach, to: string | undefined): void {
    if (to !== undefined) {
      this.reaches.set(to, reach)
    } else {
      this.reaches.clear()
      this.reachOfAll = reach
    }
  }

  reachOf(to: string): Reach {
    return this.reaches.get(to) ?? this.reachOfAll
  }

  cut(one?: string, other?: string): void {
    const between = ({ from, to }: { readonly from: string; readonly to: string }) =>
      (one === undefined || from === one || to === one) && (other === undefined || from === other || to === other)
    for (const { link } of this.connected.filter(between)) link.cut()
    for (const dialling of [...this.dialling].filter(between)) dialling.fail("connection reset")
  }

  stall(reader: string, isStalled: boolean): void {
    if (isStalled) this.stalled.add(reader)
    else this.stalled.delete(reader)
    for (const { from, link, to } of this.connected) {
      if (from === reader) setStalled(link, "server", isStalled)
      if (to === reader) setStalled(link, "client", isStalled)
    }
  }

  /** The machine is gone: its side of each link, its listener, the dials on their way. */
  crash(machine: string, isTold: boolean): void {
    this.handlers.delete(machine)
    for (const { from, link, to } of this.connected) {
      if (from === machine) link.crash("client", { isTold })
      if (to === machine) link.crash("server", { isTold })
    }
    for (const dialling of [...this.dialling]) {
      if (dialling.from === machine || (dialling.to === machine && isTold)) dialling.fail("connection reset")
    }
  }

  /** The machine is back, and answers for connections that it knows nothing of. */
  restart(machine: string): void {
    for (const { from, link, to } of this.connected) {
      if (from === machine) link.forget("client")
      if (to === machine) link.forget("server")
    }
  }

  // ---- listening

  listener(here: Machine, boot: Boot): Listener["Type"] {
    const address = here.name === byDefault ? "memory:" : `ws://${here.name}/`
    return {
      address,
      listen: (handler) =>
        Effect.suspend(() => {
          if (!boot.isUp) {
            return Effect.fail(new ListenFailed({ address, cause: new Error("this machine has crashed") }))
          }
          if (this.handlers.has(here.name)) {
            return Effect.fail(new ListenFailed({ address, cause: new Error("a gateway listens already") }))
          }
          this.handlers.set(here.name, handler)
          return Effect.addFinalizer(() =>
            Effect.sync(() => {
              if (this.handlers.get(here.name) === handler) this.handlers.delete(here.name)
            })
          )
        })
    }
  }

  // ---- dialling

  dialer(here: Machine, boot: Boot): Dialer["Type"] {
    return {
      dial: (request) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.suspend(() => {
            this.dials++
            return restore(this.dial(here, boot, request))
          }).pipe(Effect.tap((transport) => Effect.addFinalizer(() => Effect.sync(() => transport.destroy()))))
        )
    }
  }

  private dial(here: Machine, boot: Boot, request: DialRequest): Effect.Effect<Transport, DialError> {
    const failed = (cause: string) => new DialFailed({ url: request.url, cause: new Error(cause) })
    return boot.isUp
      ? this.upgrade(here.name, this.named(request.url), request, failed)
      : Effect.fail(failed("this machine has crashed"))
  }

  /** The machine that a URL names; a URL's host has no capitals. */
  private named(url: string): string {
    const host = URL.canParse(url) ? new URL(url).hostname.toLowerCase() : ""
    return [...this.network.names()].find((name) => name.toLowerCase() === host) ?? byDefault
  }

  private upgrade(
    from: string,
    to: string,
    request: DialRequest,
    failed: (cause: string) => DialFailed
  ): Effect.Effect<Transport, DialError> {
    return Effect.async((resume) => {
      const { paths } = this.network
      let abandoned = false
      let made: Link | undefined
      const end = (answer: Effect.Effect<Transport, DialError>) => {
        if (abandoned) return
        leave()
        resume(answer)
      }
      const leave = () => {
        abandoned = true
        back.leave()
        this.dialling.delete(dialling)
      }
      const back = paths.wire<() => void>(to, from, (arrived) => arrived())
      // It arrives even when nobody waits for the answer any more.
      const there = paths.wire<DialRequest>(from, to, () => {
        there.leave()
        const refuse = (error: DialError) => back.wire.push(() => end(Effect.fail(error)), answerSize)
        const reach = this.reachOf(to)
        if (reach._tag === "Silent") return
        if (reach._tag === "Refused" || !this.network.machine(to).boot.isUp) return refuse(failed("connection refused"))
        if (reach._tag === "Status") {
          return refuse(new DialRefused({ url: request.url, retryAfter: undefined, ...reach }))
        }
        const handler = this.handlers.get(to)
        const refusal = (status: number, body: string, retryAfter?: number, refusal?: string) =>
          refuse(new DialRefused({ url: request.url, status, body, retryAfter, refusal }))
        if (handler === undefined) {
          const { failure } = this.network.machine(to)
          return refusal(503, failure === undefined ? "nobody listens" : `nobody listens since ${failure}`, 1000)
        }
        handler({
          request: this.asked(from, request),
          accept: ({ maxFrame, protocol }) =>
            Effect.suspend(() => {
              if (abandoned) return Effect.fail(new ConnectionLost({}))
              const link = this.connect(from, to, protocol, { server: maxFrame, client: request.maxFrame })
              made = link
              back.wire.push(() => end(Effect.succeed(link.client)), answerSize)
              return Effect.succeed(link.server)
            }),
          refuse: (status, body, headers = {}) =>
            Effect.sync(() => {
              const after = headers["Retry-After"]
              const retryAfter = after === undefined ? undefined : Number(after) * 1000
              refusal(status, body, retryAfter, headers[upgradeRefusal.header])
            })
        })
      })
      const dialling: Dialling = {
        from,
        to,
        fail: (cause) => {
          there.wire.sever()
          there.leave()
          end(Effect.fail(failed(cause)))
        }
      }
      this.dialling.add(dialling)
      there.wire.push(request, requestSize)
      return Effect.sync(() => {
        leave()
        made?.client.destroy()
      })
    })
  }

  private asked(from: string, { headers, protocols, url }: DialRequest): Incoming["request"] {
    const address = this.addresses.get(from) ?? from
    return {
      url,
      headers: Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value])),
      address,
      remoteAddress: `${address}:client`,
      protocols
    }
  }

  private connect(from: string, to: string, protocol: string, maxFrame: Readonly<Record<Side, number>>): Link {
    const { clientPings, paths, surroundings } = this.network
    const remoteAddress = `${this.addresses.get(from) ?? from}:client`
    const { isOver, link, wires } = memoryLink.make({ protocol, maxFrame, clientPings, remoteAddress, surroundings })
    const leaving = [paths.join(from, to, wires.client), paths.join(to, from, wires.server)]
    const connected: Connected = {
      from,
      to,
      link,
      isOver,
      leave: () => {
        for (const leave of leaving) leave()
      }
    }
    this.current()
    this.connected.push(connected)
    if (this.stalled.has(from)) setStalled(link, "server", true)
    if (this.stalled.has(to)) setStalled(link, "client", true)
    this.onLink(link)
    return link
  }
}
