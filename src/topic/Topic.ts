/**
 * Topics: a pattern for their names, and a Schema for their publications,
 * declared once for both ends.
 *
 * @since 0.1.0
 */
import type { Typed } from "../protocol/Messages.js"

type ParamNames<Pattern extends string> = Pattern extends `${infer First}/${infer Rest}`
  ? ParamNames<First> | ParamNames<Rest>
  : Pattern extends `:${infer Name}`
    ? Name
    : never

/**
 * The parameters of a pattern: those of `"rooms/:room/users/:user"` are `room`
 * and `user`.
 *
 * @since 0.1.0
 * @category models
 */
export type Params<Pattern extends string> = { readonly [Name in ParamNames<Pattern>]: string }

/**
 * What names one topic: its `Ref` does.
 *
 * @since 0.1.0
 * @category models
 */
export interface Named {
  readonly name: string
}

/**
 * One topic: its name, what its publications are, and what its members say of themselves, if they may.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ref<A, D = never> extends Named {
  readonly schema: Typed<A>
  readonly presence?: Typed<D> | undefined
}

/**
 * All topics of a pattern.
 *
 * @since 0.1.0
 * @category models
 */
export interface Topic<A, P, D = never> {
  readonly pattern: string
  readonly schema: Typed<A>
  readonly presence: Typed<D> | undefined
  /** The topic with these parameters. Each is percent-encoded, so it may contain any character; an empty one gives no valid name. */
  readonly at: (...params: Record<never, never> extends P ? [params?: P] : [params: P]) => Ref<A, D>
  /** The parameters of a name, if it is of this pattern. */
  readonly match: (name: string) => P | undefined
}

/**
 * Declares topics. Segments of the pattern are separated by `/`; one that
 * begins with `:` is a parameter.
 *
 * ```ts
 * const Room = Topic.make("rooms/:room", Schema.Struct({ from: Schema.String, text: Schema.String }))
 * Room.at({ room: "lobby" }).name // "rooms/lobby"
 * ```
 *
 * With `presence`, the Schema of what members say of themselves, it is told beside their ids who is there
 * (`client.subscribe(room, { presence })`, `client.updatePresence`):
 *
 * ```ts
 * const Room = Topic.make("rooms/:room", Message, { presence: Schema.Struct({ name: Schema.String, typing: Schema.Boolean }) })
 * ```
 *
 * The encoded side of a Schema must be JSON. It runs synchronously and needs no
 * services.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <const Pattern extends string, A, D = never>(
  pattern: Pattern,
  schema: Typed<A>,
  { presence }: { readonly presence?: Typed<D> | undefined } = {}
): Topic<A, Params<Pattern>, D> => {
  const segments = pattern.split("/")
  const nameOf = (params: Readonly<Record<string, string>>) =>
    segments
      .map((segment) => (segment.startsWith(":") ? encodeURIComponent(wellFormed(params[segment.slice(1)])) : segment))
      .join("/")
  return {
    pattern,
    schema,
    presence,
    at: (...[params]) => ({ name: nameOf(params ?? {}), schema, presence }),
    match: (name) => match(segments, name) as Params<Pattern> | undefined // its keys are the pattern's
  }
}

/** A lone surrogate has no percent-encoding. */
const wellFormed = (value: string | undefined): string =>
  (value ?? "").replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd")

const match = (segments: ReadonlyArray<string>, name: string): Record<string, string> | undefined => {
  const found = name.split("/")
  if (found.length !== segments.length) return undefined
  const params: Record<string, string> = {}
  for (const [at, segment] of segments.entries()) {
    const value = found[at] ?? ""
    if (!segment.startsWith(":")) {
      if (value !== segment) return undefined
      continue
    }
    const decoded = percentDecoded(value)
    // One name for one topic: what would be encoded otherwise is no name of it.
    if (decoded === undefined || decoded === "" || encodeURIComponent(decoded) !== value) return undefined
    params[segment.slice(1)] = decoded
  }
  return params
}

const percentDecoded = (value: string): string | undefined => {
  try {
    return decodeURIComponent(value)
  } catch {
    return undefined // a percent sign that encodes nothing
  }
}

/**
 * Bytes of the longest topic name.
 *
 * @since 0.1.0
 * @category names
 */
export const maxName = 255

/**
 * The flaw of a topic's name, in words: it has 1 to 255 printable ASCII
 * characters, none of them a space or `#`, which marks presence, and no empty segment.
 *
 * @since 0.1.0
 * @category names
 */
export const flaw = (name: string): string | undefined => {
  if (name === "") return "a topic's name is not empty"
  if (name.length > maxName) return `a topic's name has at most ${maxName} characters`
  if (!/^[!-"$-~]*$/.test(name)) return "a topic's name is of printable ASCII characters without spaces and #"
  if (name.split("/").includes("")) return "no segment of a topic's name is empty"
  return undefined
}

/**
 * The flaw of a pattern, in words.
 *
 * @since 0.1.0
 * @category names
 */
export const patternFlaw = (pattern: string): string | undefined => {
  const params = pattern.split("/").filter((segment) => segment.startsWith(":"))
  if (params.includes(":")) return "a parameter has a name"
  if (new Set(params).size < params.length) return "each parameter's name is used once"
  return flaw(pattern)
}

const presenceSuffix = "#presence"

/**
 * The topic in which it is published who comes and goes.
 *
 * @internal
 */
export const presenceOf = (name: string): string => `${name}${presenceSuffix}`

/**
 * The topic whose presence this one tells, if it does.
 *
 * @internal
 */
export const presenceBase = (name: string): string | undefined =>
  name.endsWith(presenceSuffix) ? name.slice(0, -presenceSuffix.length) : undefined
