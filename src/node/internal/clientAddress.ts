/**
 * The address of the client when proxies stand before the server: `x-forwarded-for` is
 * believed as far as trusted proxies have written it, and no further.
 */
import * as Net from "node:net"
import * as Effect from "effect/Effect"
import { InvalidOption } from "../../protocol/ConnectionError.js"

export interface Client {
  /** In its one canonical form, so that it can be counted by; empty when nobody knows. */
  readonly address: string
  readonly port: number | undefined
}

/** True when a canonical address is a trusted proxy's. */
export type Trusted = (address: string) => boolean

const mapped = "::ffff:"

/** An IP address in canonical form: no zone, and an IPv4-mapped one as the IPv4 address it is. */
export const canonical = (text: string): string | undefined => {
  if (!Net.isIPv6(text)) return Net.isIPv4(text) ? text : undefined
  const [unzoned = ""] = text.split("%", 1)
  const { address } = new Net.SocketAddress({ address: unzoned, family: "ipv6" })
  const tail = address.slice(mapped.length)
  return address.startsWith(mapped) && Net.isIPv4(tail) ? tail : address
}

/** One entry of `x-forwarded-for`: an address, and with some proxies a port; brackets are IPv6's. */
const parse = (entry: string): Client | undefined => {
  const address = canonical(entry)
  if (address !== undefined) return { address, port: undefined }
  const [, ipv6, ipv4, digits] = /^(?:\[([^\]]+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(entry) ?? []
  const port = digits === undefined ? undefined : Number(digits)
  if (port !== undefined && port > 65_535) return undefined
  const found = ipv6 === undefined ? canonical(ipv4 ?? "") : Net.isIPv6(ipv6) ? canonical(ipv6) : undefined
  return found === undefined ? undefined : { address: found, port }
}

/**
 * Walks from the socket's peer towards the client, from right to left, for as
 * long as trusted proxies tell of the hop before them. What is malformed, or
 * missing, ends the walk at the hop that said so.
 */
export const clientOf = (peer: Client, forwardedFor: string | undefined, trusted: Trusted): Client => {
  const hops = forwardedFor?.split(",") ?? []
  let client = peer
  while (trusted(client.address)) {
    const hop = parse((hops.pop() ?? "").trim())
    if (hop === undefined) return client
    client = hop
  }
  return client
}

/** Apart, because a BlockList finds IPv4 addresses in ranges of IPv6 such as `::/0`. */
type Lists = Readonly<Record<"ipv4" | "ipv6", Net.BlockList>>

const add = (lists: Lists, proxy: string): boolean => {
  if (proxy === "loopback") return add(lists, "127.0.0.0/8") && add(lists, "::1")
  const [base = "", prefix, ...rest] = proxy.split("/")
  const address = canonical(base)
  if (address === undefined || base.includes("%") || rest.length > 0) return false
  const family = Net.isIPv4(address) ? "ipv4" : "ipv6"
  if (prefix === undefined) {
    lists[family].addAddress(address, family)
    return true
  }
  // A range of IPv4-mapped addresses counts all 128 bits.
  const bits = Number(prefix) - (family === "ipv4" && Net.isIPv6(base) ? 96 : 0)
  if (!/^\d{1,3}$/.test(prefix) || bits < 0 || bits > (family === "ipv4" ? 32 : 128)) return false
  lists[family].addSubnet(address, bits, family)
  return true
}

/** Checks the `trustedProxies` option. */
export const trust = (proxies: ReadonlyArray<string>): Effect.Effect<Trusted, InvalidOption> =>
  Effect.suspend(() => {
    const lists: Lists = { ipv4: new Net.BlockList(), ipv6: new Net.BlockList() }
    const wrong = [...proxies].find((proxy) => !add(lists, String(proxy)))
    if (wrong !== undefined) {
      const rule = 'an IP address, a range of them such as "10.0.0.0/8", or "loopback"'
      return Effect.fail(new InvalidOption({ option: "trustedProxies", value: String(wrong), rule }))
    }
    return Effect.succeed((address: string) => {
      if (Net.isIPv4(address)) return lists.ipv4.check(address, "ipv4")
      return Net.isIPv6(address) && lists.ipv6.check(address, "ipv6")
    })
  })
