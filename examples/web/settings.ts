/** What the page was asked for: by its URL, or else by chance. */

export interface Settings {
  readonly name: string
  readonly room: string
  /** Milliseconds. */
  readonly heartbeat: number
  readonly deadline: number
  /** What the server knows this page's connections by, to break them alone. */
  readonly client: string
}

const query = new URLSearchParams(location.search)

const random = (below: number): number => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) % below

const first = ["brisk", "calm", "bright", "keen", "mellow", "nimble", "quiet", "sunny"]
const second = ["otter", "heron", "badger", "lark", "newt", "robin", "seal", "wren"]

const friendly = (): string => `${first[random(first.length)]}-${second[random(second.length)]}-${10 + random(90)}`

/** A name of its own for each tab, that a reload keeps. Storage may be forbidden: then it is a new one. */
const kept = (): string => {
  try {
    const before = sessionStorage.getItem("name")
    if (before !== null) return before
    const name = friendly()
    sessionStorage.setItem("name", name)
    return name
  } catch {
    return friendly()
  }
}

const millis = (key: string, otherwise: number): number => {
  const value = Number(query.get(key) ?? "")
  return Number.isFinite(value) && value >= 1 ? value : otherwise
}

const clientId = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("")

export const settings: Settings = {
  name: (query.get("name") ?? "").trim().slice(0, 40) || kept(),
  room: (query.get("room") ?? "").trim().slice(0, 20) || "lobby",
  heartbeat: millis("heartbeat", 2000),
  deadline: millis("deadline", 6000),
  client: clientId()
}

/** What of the URL a change of name keeps. */
export const timings: ReadonlyArray<readonly [key: string, value: string]> = ["heartbeat", "deadline"].flatMap(
  (key) => {
    const value = query.get(key)
    return value === null ? [] : [[key, value] as const]
  }
)

/** The gateway has the page's own path. */
export const socketUrl = (): string => {
  const url = new URL(`./?client=${settings.client}`, location.href)
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:"
  return url.href
}
