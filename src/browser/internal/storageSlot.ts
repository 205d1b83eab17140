/** One kept session in a `Storage`: a head, and an item for each message. */
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { subprotocols } from "../../Protocol.js"
import type { KeptMessage } from "../../SessionKeeper.js"

const Count = Schema.NonNegativeInt

/** `owner` is the page that has the session, or "" when it was left, by `left`; `at` is when it was last written. */
export const Head = Schema.Struct({
  version: Schema.Literal(1),
  owner: Schema.String,
  left: Schema.String,
  at: Schema.Number,
  subprotocol: Schema.Literal(...subprotocols),
  ticket: Schema.optionalWith(Schema.Struct({ session: Schema.String, secret: Schema.String }), { exact: true }),
  attempts: Count,
  acknowledged: Count,
  processed: Count,
  topics: Schema.Array(Schema.String)
})
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

  /** The messages after this one, as far as there is no gap. */
  messagesAfter(seq: number): ReadonlyArray<KeptMessage> {
    const messages: Array<KeptMessage> = []
    for (let next = seq + 1; ; next++) {
      const item = readItem(this.storage.getItem(`${this.name}/${next}`))
      const payload = Option.flatMap(item, payloadOf)
      if (Option.isNone(item) || Option.isNone(payload)) return messages
      messages.push({ seq: next, payload: payload.value, confirm: item.value.confirm })
    }
  }

  add({ confirm, payload, seq }: KeptMessage): void {
    const body = typeof payload === "string" ? { text: payload } : { bytes: Encoding.encodeBase64(payload) }
    this.storage.setItem(`${this.name}/${seq}`, JSON.stringify({ confirm, ...body } satisfies typeof Item.Type))
  }

  remove(seq: number): void {
    this.storage.removeItem(`${this.name}/${seq}`)
  }

  /** Forgets everything but the messages that `keeps` names. */
  clear(keeps: (seq: number) => boolean = () => false): void {
    const names = Array.from({ length: this.storage.length }, (_, index) => this.storage.key(index) ?? "")
    for (const name of names) {
      const isMessage = name.startsWith(`${this.name}/`)
      if (name === this.name || (isMessage && !keeps(Number(name.slice(this.name.length + 1))))) {
        this.storage.removeItem(name)
      }
    }
  }
}
