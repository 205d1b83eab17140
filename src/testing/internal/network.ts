/** The controls of a network in memory. */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import type { Dialer } from "../../connection/Dialer.js"
import type { Listener } from "../../connection/Listener.js"
import type { Credentials } from "../../session/Credentials.js"
import type { Machine } from "../Machine.js"
import type { Link } from "./link.js"

/**
 * The outcome of dials: they reach the listener, are refused by the machine,
 * answered with an HTTP status, or never answered.
 *
 * @since 0.1.0
 * @category models
 */
export type Reach =
  | { readonly _tag: "Open" }
  | { readonly _tag: "Refused" }
  | {
      readonly _tag: "Status"
      readonly status: number
      readonly body: string
      /** Milliseconds. */
      readonly retryAfter?: number | undefined
      /** The header of a gateway's own refusals; without it, it is a proxy that answers. */
      readonly refusal?: string | undefined
    }
  | { readonly _tag: "Silent" }

/**
 * The conditions of the way from one machine to another: `latency`, the most that
 * `jitter` adds to it, and the bytes a second of each connection. Frames stay
 * in order. Default: no latency, no jitter, no bound.
 *
 * @since 0.1.0
 * @category models
 */
export interface WayOptions {
  readonly latency?: Duration.DurationInput | undefined
  readonly jitter?: Duration.DurationInput | undefined
  readonly bandwidth?: number | undefined
}

/**
 * The services of a program that runs on a machine.
 *
 * @since 0.1.0
 * @category services
 */
export type OnMachine = Dialer | Listener | Credentials | Machine

/**
 * The network's controls. Machines have names: a dial goes to the one that
 * its URL names (`ws://gateway-2/`), or to `server` where the network knows
 * no machine of that name: a machine is known once a program was given to it,
 * so give the gateways theirs before the clients. A control without names is
 * about all machines.
 *
 * @since 0.1.0
 * @category services
 */
export class MemoryNetwork extends Context.Tag("holdfast/testing/MemoryNetwork")<
  MemoryNetwork,
  {
    /** The links that are open, oldest first. */
    readonly links: Effect.Effect<ReadonlyArray<Link>>
    /** The newest link; dies when there is none. */
    readonly latest: Effect.Effect<Link>
    /** Does this to each link made from now on, before anything passes. */
    readonly onLink: (change: (link: Link) => void) => Effect.Effect<void>
    /** How often was dialled. */
    readonly dials: Effect.Effect<number>
    /** Dials of this machine come from this address from now on. Default machine `client`, default address `memory`. */
    readonly address: (address: string, machine?: string) => Effect.Effect<void>

    /** Breaks the connections between two machines, of one machine, or all: both ends hear of it. */
    readonly cut: (one?: string, other?: string) => Effect.Effect<void>
    /** The outcome of dials from now on, to this machine or to all. */
    readonly reach: (reach: Reach, to?: string) => Effect.Effect<void>
    /** From now on nothing that `from` says arrives at `to`, new dials included, and nobody hears of it: a half-open connection. */
    readonly silence: (from?: string, to?: string) => Effect.Effect<void>
    /** The end of a silence: what was said in it arrives now, as TCP sends it again, unless its connection was given up. */
    readonly heal: (from?: string, to?: string) => Effect.Effect<void>
    /** A silence in both directions. */
    readonly partition: (one: string, other: string) => Effect.Effect<void>
    /** The end of silences in both directions. */
    readonly rejoin: (one: string, other: string) => Effect.Effect<void>
    /** The conditions of the way from one machine to another from now on; an omitted name is any machine. */
    readonly way: (options: WayOptions, from?: string, to?: string) => Effect.Effect<void>
    /** From now on the way is like this instead. */
    readonly congest: (options: WayOptions, from?: string, to?: string) => Effect.Effect<void>
    /** The end of a congestion: the way is again as it was. */
    readonly clear: (from?: string, to?: string) => Effect.Effect<void>
    /** From now on this machine's connections are not read: what is sent to it waits with the sender. */
    readonly stall: (reader: string) => Effect.Effect<void>
    /** The end of a stall. */
    readonly release: (reader: string) => Effect.Effect<void>

    /**
     * The services of a program that runs on a machine, and the machine's clock: for programs that `run` is not to start. They do
     * not end when the machine crashes, but nobody hears of them any more, not even after a restart. Provide it with
     * `Effect.provide`, not merged with other layers: Effect would leave the clock behind with whoever they are provided to.
     */
    readonly on: (machine: string) => Layer.Layer<OnMachine>
    /**
     * Runs a program on a machine: it dials and listens as that machine, and its clock is the machine's. It ends with the
     * network, or when the machine crashes. It begins as soon as the caller waits for something; a client that dials before
     * a gateway listens is answered 503, and comes back. When it fails, its fiber alone knows: join it where that matters.
     */
    readonly run: <A, E, R>(
      machine: string,
      program: Effect.Effect<A, E, R>
    ) => Effect.Effect<Fiber.RuntimeFiber<A, E>, never, Exclude<R, OnMachine>>
    /**
     * The lid is shut: nothing that is sent to the machine arrives, and what is due on its clock happens when it wakes. Do
     * not make a program on it do something meanwhile, from outside: it would.
     *
     * The sleep counts in the machine's monotonic time, and so in its timers (macOS, Windows), or `monotonic: "stops"`
     * (Linux: CLOCK_MONOTONIC does not count it), and a timer then takes as long after the sleep as it had left before.
     */
    readonly suspend: (machine: string, options?: { readonly monotonic?: "counts" | "stops" }) => Effect.Effect<void>
    /** The lid is opened: what was due on its clock happens now, and what was sent to it arrives. */
    readonly wake: (machine: string) => Effect.Effect<void>
    /**
     * The machine's system clock is set forward, or back, as by NTP or by hand: what it measures durations by (its monotonic
     * clock) goes on. For a machine that has its `clock`, as for `suspend`.
     */
    readonly stepClock: (
      by: { readonly forward?: Duration.DurationInput; readonly back?: Duration.DurationInput },
      machine: string
    ) => Effect.Effect<void>
    /**
     * The machine stops dead, and what its programs had in memory is lost: none of their finalizers reaches anybody over the
     * network. What they share with the test in memory they still reach; put it on another machine (`Machine`). Its peers
     * hear that their connections are lost, as when a process is killed; or they hear nothing, as when the power fails
     * (`{ isTold: false }`). Until `restart` dials to it are refused. Daemon fibers of a program do not end with it.
     */
    readonly crash: (machine: string, options?: { readonly isTold?: boolean | undefined }) => Effect.Effect<void>
    /** The machine is there again, and runs from their beginning the programs that `run` gave it. */
    readonly restart: (machine: string) => Effect.Effect<void>
  }
>() {}
