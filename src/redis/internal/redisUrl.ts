/** The address of Redis, as one URL tells it. */
import type { ClusterNode, RedisOptions } from "ioredis"
import { InvalidOption } from "../../protocol/ConnectionError.js"

export type Address =
  | { readonly _tag: "Server"; readonly options: RedisOptions }
  | { readonly _tag: "Cluster"; readonly nodes: ReadonlyArray<ClusterNode>; readonly options: RedisOptions }

const rule =
  'redis://host:6379/0, rediss:// for TLS, redis+cluster://host:6379,other:6379 or redis+sentinel://host:26379,other:26379/name, each with "user:password@" before the hosts where one is needed'

/** The value without what must not be seen in a log. */
const shown = (url: string): string => url.replace(/^([a-z+]*:\/\/)?.*@/is, "$1…@").replace(/\?.*$/s, "?…")

const pattern = /^(redis|rediss)(?:\+(cluster|sentinel))?:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^/?@]+)(?:\/([^/?@]*))?$/

const hostAndPort = (text: string, port: number): { readonly host: string; readonly port: number } | undefined => {
  const found = /^(?:\[([0-9a-fA-F:]+)\]|([^:@[\]]+))(?::(\d{1,5}))?$/.exec(text)
  const host = found?.[1] ?? found?.[2]
  if (host === undefined) return undefined
  const given = found?.[3] === undefined ? port : Number(found[3])
  return given > 0 && given < 65536 ? { host, port: given } : undefined
}

/** Null when it is no percent-encoding. */
const decoded = (text: string | undefined): string | undefined | null => {
  try {
    return text === undefined ? undefined : decodeURIComponent(text)
  } catch {
    return null
  }
}

const defined = <A extends object>(record: A): A =>
  // Its own type without what is undefined, which exact optional properties cannot say of an entry.
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined && value !== "")) as A

/** Reads a URL. */
export const parse = (url: string): Address | InvalidOption => {
  const invalid = new InvalidOption({ option: "url", value: shown(url), rule })
  const found = pattern.exec(url)
  if (found === null) return invalid
  const [, scheme, kind, user, password, hosts = "", path] = found
  const nodes = hosts.split(",").map((text) => hostAndPort(text, kind === "sentinel" ? 26379 : 6379))
  const known = nodes.filter((node) => node !== undefined)
  const [first] = known
  if (first === undefined || known.length < nodes.length) return invalid
  const [username, secret, rest] = [user, password, path].map(decoded)
  if (username === null || secret === null || rest === null) return invalid
  const credentials = defined({ username, password: secret })
  const tls = scheme === "rediss" ? { tls: {} } : {}
  switch (kind) {
    case "cluster":
      // A cluster has no other databases than 0.
      if (rest !== undefined && rest !== "" && rest !== "0") return invalid
      return { _tag: "Cluster", nodes: known, options: { ...credentials, ...tls } }
    case "sentinel":
      if (rest === undefined || rest === "") return invalid
      return {
        _tag: "Server",
        options: {
          sentinels: known,
          name: rest,
          enableTLSForSentinelMode: scheme === "rediss",
          ...(scheme === "rediss" ? { sentinelTLS: {} } : {}),
          ...credentials,
          ...tls
        }
      }
    default: {
      if (known.length > 1 || !/^\d*$/.test(rest ?? "")) return invalid
      return { _tag: "Server", options: { ...first, ...credentials, ...tls, db: Number(rest ?? 0) } }
    }
  }
}
