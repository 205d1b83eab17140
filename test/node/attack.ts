/** What floodAndGarbage.test.ts, its server and its attackers know of each other. */

/** The server's, and low: what a flood costs is what the messages cost that are let through before it is stopped. */
export const rates = { messageRate: 200, byteRate: 1024 * 1024, replayMessages: 128 }

/** The ways to attack, and the documented close code of each (PROTOCOL.md §7). */
export const documented = {
  /** Without waiting for acknowledgements: more than may be unprocessed. */
  flood: 4400,
  /** Of messages that are not acknowledged: faster than may be. */
  "flood of pings": 4429,
  "no JSON": 4400,
  "no message": 4400,
  "no hello": 4400,
  binary: 1003,
  "no UTF-8": 1007,
  "reserved opcode": 1002,
  noise: 1002,
  unmasked: 1002,
  "too large": 1009
}

export type Kind = keyof typeof documented

/** A client that says hello, has its welcome and leaves: what an attempt costs without an attack. */
export const good = "good"

export const floods = ["flood", "flood of pings"] as const

export type Flood = (typeof floods)[number]

export interface Plan {
  readonly port: number
  readonly kind: Kind | typeof good
  readonly attempts: number
}

/** How often each kind met each close code: by `kind: code`. */
export type Tally = Readonly<Record<string, number>>
