/** A link of two transports in memory: its options and its controls. */
import type { Transport } from "../../connection/Transport.js"
import type { Conditions, Surroundings } from "./wire.js"

/**
 * One of the two ends.
 *
 * @since 0.1.0
 * @category models
 */
export type Side = "client" | "server"

/**
 * The options of a link.
 *
 * @since 0.1.0
 * @category models
 */
export interface LinkOptions {
  /** The negotiated subprotocol. Default `""`. */
  readonly protocol?: string | undefined
  /** Bytes that the wire holds for a reader that has paused. Default 64 KiB. */
  readonly capacity?: number | undefined
  /** Largest message that an end accepts, in bytes; a larger one closes it with 1009. Default none. */
  readonly maxFrame?: Partial<Record<Side, number>> | undefined
  /** True when the client can ping; a browser cannot. Default true. */
  readonly clientPings?: boolean | undefined
  /** The client, as the server sees it. Default `memory:client`. */
  readonly remoteAddress?: string | undefined
  /** The clock of the wire. Without it every frame arrives at once, whatever the conditions. */
  readonly surroundings?: Surroundings | undefined
}

/**
 * Two transports that are each other's peers, and the faults of what is between them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Link {
  readonly client: Transport
  readonly server: Transport
  /** True while both ends are open. */
  readonly isOpen: () => boolean
  /** Breaks the connection: both ends hear of it. */
  readonly cut: () => void
  /** Nothing that this side sends arrives any more, and nobody hears of it: a half-open connection. Default both sides. */
  readonly silence: (side?: Side) => void
  /** The end of a silence: what was sent in it arrives now, as TCP sends it again. Default both sides. */
  readonly heal: (side?: Side) => void
  /** Everything that this side sends waits in its own buffers from now on: a peer that does not read. */
  readonly stall: (side: Side) => void
  /** The end of a stall. */
  readonly release: (side: Side) => void
  /** The conditions of the wire from now on, for what this side sends. Default both sides. */
  readonly conditions: (conditions: Partial<Conditions>, side?: Side) => void
  /** This side's machine stops dead. The other side hears that the connection is lost, or nothing. */
  readonly crash: (side: Side, options: { readonly isTold: boolean }) => void
  /** A machine that knows nothing of the connection has taken the place of the crashed one: it answers with a reset. */
  readonly forget: (side: Side) => void
  /** Pings that this side has sent. */
  readonly pings: (side: Side) => number
}
