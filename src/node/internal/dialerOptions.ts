/** The way to a server: what a dialer's options make of the options of a request. */
import type * as Http from "node:http"
import { isIP } from "node:net"
import * as Effect from "effect/Effect"
import { HttpsProxyAgent } from "https-proxy-agent"
import { getProxyForUrl } from "proxy-from-env"
import { InvalidOption } from "../../protocol/ConnectionError.js"
import * as tlsOptions from "./tlsOptions.js"

/**
 * The options of a dialer: certificates, and the way to the server.
 *
 * @since 0.1.0
 * @category models
 */
export interface DialerOptions extends tlsOptions.ClientTls {
  /** Makes the sockets: the way is its affair, so `localAddress` and `proxy` cannot be given beside it. */
  readonly agent?: Http.Agent | undefined
  /** The IP address of this machine to dial from. */
  readonly localAddress?: string | undefined
  /**
   * A proxy to reach servers through (HTTP `CONNECT`): its URL, or `"environment"` for what `HTTPS_PROXY` says of `wss:`,
   * `HTTP_PROXY` of `ws:`, `ALL_PROXY` of both and `NO_PROXY` of neither, upper or lower case. Default none.
   */
  readonly proxy?: string | undefined
}

/** What a request to this URL is made with besides. Throws where an option has no effect on it. */
export type Way = (url: string) => Readonly<Record<string, unknown>>

const refused = (option: string, value: string, rule: string) => new InvalidOption({ option, value, rule })

const isProxy = (text: string): boolean => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url !== undefined && (url.protocol === "http:" || url.protocol === "https:") && url.hostname !== ""
}

/** The proxy of a URL, if there is any: what is said of `https:` is meant for `wss:`. */
const proxyOf = (proxy: string | undefined, url: string): string | undefined => {
  if (proxy !== "environment") return proxy
  const found = getProxyForUrl(url.replace(/^ws/i, "http"))
  return found === "" ? undefined : found
}

export const wayOf = (options: DialerOptions): Effect.Effect<Way, InvalidOption> =>
  Effect.gen(function* () {
    const { agent, localAddress, proxy } = options
    if (agent !== undefined) {
      for (const [option, value] of Object.entries({ localAddress, proxy })) {
        if (value !== undefined)
          return yield* refused(option, JSON.stringify(value), "none beside `agent`, which makes the sockets")
      }
    }
    if (localAddress !== undefined && isIP(localAddress) === 0) {
      return yield* refused("localAddress", JSON.stringify(localAddress), "an IP address of this machine")
    }
    if (proxy !== undefined && proxy !== "environment" && !isProxy(proxy)) {
      return yield* refused("proxy", "given", 'a URL of http: or https:, or "environment"')
    }
    const tls = yield* tlsOptions.ofClient(options)
    const given = Object.keys(tls)
    return (url) => {
      if (given.length > 0 && !/^wss:/i.test(url))
        throw new Error(`${given.join(" and ")}: of no effect without TLS: dial wss:`)
      const through = proxyOf(proxy, url)
      if (through === undefined) return { ...tls, ...(agent && { agent }), ...(localAddress && { localAddress }) }
      return { ...tls, agent: new HttpsProxyAgent(through, localAddress === undefined ? {} : { localAddress }) }
    }
  })
