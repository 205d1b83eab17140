/** The kinds of fields that the messages on the wire have. */
import * as Schema from "effect/Schema"

/** A sequence number or a count of messages: 0 means "nothing yet". */
export const Count = Schema.Number.pipe(Schema.int(), Schema.between(0, Number.MAX_SAFE_INTEGER))
export const Sequence = Schema.Number.pipe(Schema.int(), Schema.between(1, Number.MAX_SAFE_INTEGER))
/** At most 24.8 days, the longest timer there is. */
export const Millis = Schema.Number.pipe(Schema.int(), Schema.between(0, 2 ** 31 - 1))
export const Interval = Schema.Number.pipe(Schema.int(), Schema.between(1, 2 ** 31 - 1))
export const Id = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(128))
