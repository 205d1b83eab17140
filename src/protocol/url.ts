/** The URLs that a client can dial, and how one is shown. */
import { oneLine } from "./oneLine.js"

/** `memory:` is for `holdfast/testing`, whose network needs no host. */
const schemes: ReadonlySet<string> = new Set(["ws:", "wss:", "memory:"])

export const rule = 'a URL of ws: or wss:, with a host and without a fragment, such as "wss://example.com/socket"'

const parsed = (url: string): URL | undefined => {
  try {
    return new URL(url)
  } catch {
    return undefined
  }
}

export const isPossible = (url: string): boolean => {
  const scheme = parsed(url)?.protocol
  return scheme !== undefined && schemes.has(scheme) && !url.includes("#")
}

/** As much of it as is worth showing. */
const longest = 200

/** A URL without what may be secret, its credentials and its query; of one that cannot be parsed, too. */
export const shown = (url: string): string => {
  const [kept = ""] = url.split(/[?#]/, 1)
  const at = url.lastIndexOf("@")
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(url)?.[0] ?? ""
  // What is behind the credentials; where they may reach into what looks like a query, nothing.
  const visible = at === -1 ? kept : `${scheme}//…${at < kept.length ? kept.slice(at) : ""}`
  return oneLine(kept.length < url.length ? `${visible}?…` : visible, longest)
}
