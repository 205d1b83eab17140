/** The members of a topic at one position of its presence: encoded once for all who ask. */
import * as Either from "effect/Either"
import { byteLength, type Codec, type Frame, type Payload } from "../../protocol/Codec.js"
import type { Member, Position, Subprotocol, Subscribed } from "../../protocol/Protocol.js"

interface Part {
  readonly payload: Payload
  readonly size: number
}

export class MemberSnapshot {
  private readonly parts: { [P in Subprotocol]?: Part } = {}

  constructor(
    readonly position: Position,
    private readonly members: ReadonlyArray<Member>
  ) {}

  isAt({ epoch, offset }: Position): boolean {
    return this.position.offset === offset && this.position.epoch === epoch
  }

  private part(codec: Codec): Part {
    const known = this.parts[codec.subprotocol]
    if (known !== undefined) return known
    const payload = encoded(codec, this.members)
    const part = { payload, size: byteLength(payload) }
    this.parts[codec.subprotocol] = part
    return part
  }

  /** Bytes of the members alone. */
  bytes(codec: Codec): number {
    return this.part(codec).size
  }

  /** The answer with its members, and the bytes of it. */
  frame(codec: Codec, answer: Omit<Subscribed, "members">): { readonly frame: Frame; readonly size: number } {
    const { payload, size } = this.part(codec)
    if (typeof payload === "string") {
      const head = `${JSON.stringify(answer).slice(0, -1)},"members":`
      return { frame: `${head}${payload}}`, size: byteLength(head) + size + 1 }
    }
    const fields = Object.entries(answer).flatMap(([name, value]) => [encoded(codec, name), encoded(codec, value)])
    const frame = map([...fields, encoded(codec, "members"), payload])
    return { frame, size: frame.byteLength }
  }
}

/** A MessagePack map of at most fifteen names and values. */
const map = (parts: ReadonlyArray<Payload>): Uint8Array => {
  const bytes = [Uint8Array.of(0x80 | (parts.length / 2)), ...parts.filter((part) => typeof part !== "string")]
  const out = new Uint8Array(bytes.reduce((size, part) => size + part.byteLength, 0))
  let at = 0
  for (const part of bytes) {
    out.set(part, at)
    at += part.byteLength
  }
  return out
}

/** Strings, numbers and their like have a form in every codec. */
const encoded = (codec: Codec, value: unknown): Payload => Either.getOrThrow(codec.payload(value))
