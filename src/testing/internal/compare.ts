/** Values compared by their structure, and shown so that one sees where they differ. */

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null

/** The members of an object, where having `undefined` is having nothing. */
const entries = (value: object): ReadonlyMap<string, unknown> =>
  new Map(Object.entries(value).filter(([, content]) => content !== undefined))

/** The place in which two values first differ, and what each has there. */
export interface Difference {
  readonly path: string
  readonly actual: string
  readonly expected: string
}

/** The first difference of two values; undefined when they are the same. */
export const difference = (actual: unknown, expected: unknown, path = ""): Difference | undefined => {
  if (Object.is(actual, expected)) return undefined
  const differ = { path, actual: show(actual), expected: show(expected) }
  if (!isObject(actual) || !isObject(expected)) return differ
  if (ArrayBuffer.isView(actual) || ArrayBuffer.isView(expected)) {
    return isSameBytes(actual, expected) ? undefined : differ
  }
  if (Array.isArray(actual) !== Array.isArray(expected)) return differ
  if (Array.isArray(actual) && Array.isArray(expected) && actual.length !== expected.length) {
    const counted = (elements: ReadonlyArray<unknown>) => `${elements.length} elements: ${show(elements)}`
    return { path, actual: counted(actual), expected: counted(expected) }
  }
  const [has, should] = [entries(actual), entries(expected)]
  for (const key of new Set([...should.keys(), ...has.keys()])) {
    const inner = Array.isArray(expected) ? `${path}[${key}]` : `${path}.${key}`
    const found = difference(has.get(key), should.get(key), inner)
    if (found !== undefined) return found
  }
  return undefined
}

const isSameBytes = (actual: object, expected: object): boolean =>
  actual instanceof Uint8Array &&
  expected instanceof Uint8Array &&
  actual.length === expected.length &&
  actual.every((byte, i) => byte === expected[i])

const most = 400

/** A value as text, cut where it would be too long to read. */
export const show = (value: unknown): string => {
  const text = write(value, 0)
  return text.length <= most ? text : `${text.slice(0, most)}… (${text.length} characters)`
}

const write = (value: unknown, depth: number): string => {
  if (typeof value === "string") {
    return value.length <= 100 ? JSON.stringify(value) : `${JSON.stringify(value.slice(0, 60))}… (${value.length})`
  }
  if (value instanceof Uint8Array) return `bytes [${value.slice(0, 16).join(" ")}${value.length > 16 ? " …" : ""}]`
  if (value instanceof Error && !("_tag" in value)) return `${value.name}: ${value.message}`
  if (!isObject(value)) return String(value)
  if (depth > 5) return "…"
  if (Array.isArray(value)) {
    const shown = value.slice(0, 30).map((element) => write(element, depth + 1))
    return `[${shown.join(", ")}${value.length > 30 ? `, … ${value.length} in all` : ""}]`
  }
  const fields = [...entries(value)].map(([key, content]) => `${key}: ${write(content, depth + 1)}`)
  const name = value instanceof Error ? `${value.name} ` : ""
  return fields.length === 0 ? `${name}{}` : `${name}{ ${fields.join(", ")} }`
}
