/** One kept session in a `Storage`: a head, and an item for each message. */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { KeptMessage } from "../../client/SessionKeeper.js"
import { subprotocols } from "../../protocol/Protocol.js"
import { type ItemNumbers, Shifts } from "./itemNumbers.js"

/** One more can always be counted. */
const Count = Schema.NonNegativeInt.pipe(Schema.lessThan(Number.MAX_SAFE_INTEGER))

/**
 * `owner` is the page that has the session, or "" when it was left, by `left`; `at` is when it was last written. `sent` is the
 * last message, as of then; `moved` is there where one before it was withdrawn.
 */
export const Head = Schema.Struct({
  version: Schema.Literal(1),
  owner: Schema.String,
  left: Schema.String,
  at: Schema.Number,
  subprotocol: Schema.Literal(...subprotocols),
  ticket: Schema.optionalWith(Schema.Struct({ session: Schema.String, secret: Schema.String }), { exact: true }),
  attempts: Count,
  sent: Count,
  acknowledged: Count,
  processed: Count,
  moved: Schema.optionalWith(Shifts, { exact: true }),
  topics: Schema.Array(Schema.String)
}).pipe(Schema.filter(({ acknowledged, processed, ticket }) => ticket !== undefined || acknowledged + processed === 0))
export type Head = typeof Head.Type

const Item = Schema.Struct({
  confirm: Schema.Boolean,
  text: Schema.optionalWith(Schema.String, { exact: true }),
  bytes: Schema.optionalWith(Schema.String, { exact: true })
})

const readHead = Schema.decodeUnknownOption(Schema.parseJson(Head))
const readItem = Schema.decodeUnknownOption(Schema.parseJson(Item))

const payloadOf = ({ bytes, text }: typeof Item.Type): Option.Option<KeptMessage["payload"]> =>
  bytes === undefined ? Option.fromNullable(text) : Either.getRight(Encoding.decodeBase64(bytes))

/** All of these throw what the storage throws. */
export class StorageSlot {
  constructor(
    private readonly storage: Storage,
    private readonly name: string
  ) {}

  get head(): Head | undefined {
    return Option.getOrUndefined(readHead(this.storage.getItem(this.name)))
  }

  set head(head: Head) {
    this.storage.setItem(this.name, JSON.stringify(head))
  }

  /** The messages after this one, up to the last; `undefined` where one is missing. */
  messages(after: number, last: number, items: ItemNumbers): ReadonlyArray<KeptMessage> | undefined {
    const messages: Array<KeptMessage> = []
    for (let seq = after + 1; seq <= last; seq++) {
      const item = readItem(this.storage.getItem(this.nameOf(items.of(seq))))
      const payload = Option.flatMap(item, payloadOf)
      if (Option.isNone(item) || Option.isNone(payload)) return undefined
      messages.push({ seq, payload: payload.value, confirm: item.value.confirm })
    }
    return messages
  }

  add(item: number, { confirm, payload }: KeptMessage): void {
    const body = typeof payload === "string" ? { text: payload } : { bytes: Encoding.encodeBase64(payload) }
    this.storage.setItem(this.nameOf(item), JSON.stringify({ confirm, ...body } satisfies typeof Item.Type))
  }

  remove(item: number): void {
    this.storage.removeItem(this.nameOf(item))
  }

  /** Forgets everything but the messages that `keeps` names. */
  clear(keeps: (item: number) => boolean = () => false): void {
    const names = Array.from({ length: this.storage.length }, (_, index) => this.storage.key(index) ?? "")
    for (const name of names) {
      const item = this.itemOf(name)
      if (name === this.name || (item !== undefined && !keeps(item))) this.storage.removeItem(name)
    }
  }

  // No slot is named like a message of another, whatever keys there are: a slot's name ends with "/" and a digit.

  private nameOf(item: number): string {
    return `${this.name}#${item}`
  }

  private itemOf(name: string): number | undefined {
    const item = name.startsWith(`${this.name}#`) ? name.slice(this.name.length + 1) : ""
    return /^\d+$/.test(item) ? Number(item) : undefined
  }
}
