/** How many connections a gateway takes, in all and from one address: from the upgrade until the socket is gone. */
import type { Resolved } from "../Options.js"
import { Tally } from "./tally.js"

export interface Refusal {
  readonly status: 429 | 503
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
}

const headers = { "Retry-After": "5" }

/** What counts as one address: an IPv4 address, or the /64 of an IPv6 address, all of which one client commonly has. */
export const networkOf = (address: string): string => {
  if (!address.includes(":")) return address
  const [head = "", tail] = address.split("::")
  const groups = head.split(":").filter((group) => group !== "")
  const rest = (tail ?? "").split(":").filter((group) => group !== "")
  const zeros = tail === undefined ? 0 : 8 - groups.length - rest.length
  return [...groups, ...Array<string>(Math.max(0, zeros)).fill("0"), ...rest].slice(0, 4).join(":")
}

export class ConnectionLimits {
  private total = 0
  private readonly addresses = new Tally()

  constructor(private readonly options: Pick<Resolved, "maxConnections" | "maxConnectionsPerAddress">) {}

  /** Counts one more connection until `leave`, or says why there cannot be one. */
  enter(address: string): Refusal | undefined {
    const { maxConnections, maxConnectionsPerAddress } = this.options
    if (this.total >= maxConnections) {
      return { status: 503, body: `this gateway holds ${maxConnections} connections already`, headers }
    }
    if (this.addresses.of(address) >= maxConnectionsPerAddress) {
      return {
        status: 429,
        body: `there are ${maxConnectionsPerAddress} connections from this address already`,
        headers
      }
    }
    this.total++
    this.addresses.add(address)
    return undefined
  }

  /** It is gone. */
  leave(address: string): void {
    this.total--
    this.addresses.remove(address)
  }
}
