/** The quota of connections of a gateway, in all and from one address: from the upgrade until the socket is gone. */
import type { Resolved } from "../../connection/Options.js"
import { Refused } from "../../connection/upgradeRefusal.js"
import { KeyedCounter } from "./keyedCounter.js"

const headers = { "Retry-After": "5" }

/** The network that counts as one address: an IPv4 address, or the /64 of an IPv6 address, all of which one client commonly has. */
export const networkOf = (address: string): string => {
  if (!address.includes(":")) return address
  const [head = "", tail] = address.split("::")
  const groups = head.split(":").filter((group) => group !== "")
  const rest = (tail ?? "").split(":").filter((group) => group !== "")
  const zeros = tail === undefined ? 0 : 8 - groups.length - rest.length
  return [...groups, ...Array<string>(Math.max(0, zeros)).fill("0"), ...rest].slice(0, 4).join(":")
}

export class ConnectionQuota {
  private total = 0
  private readonly addresses = new KeyedCounter()

  constructor(private readonly options: Pick<Resolved, "maxConnections" | "maxConnectionsPerAddress">) {}

  /** Counts one more connection until `leave`, or says why there cannot be one. */
  enter(address: string): Refused | undefined {
    const { maxConnections, maxConnectionsPerAddress } = this.options
    if (this.total >= maxConnections) {
      const body = `this gateway holds ${maxConnections} connections already`
      return new Refused({ status: 503, code: "connections", body, headers })
    }
    if (this.addresses.of(address) >= maxConnectionsPerAddress) {
      const body = `there are ${maxConnectionsPerAddress} connections from this address already`
      return new Refused({ status: 429, code: "address", body, headers })
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
