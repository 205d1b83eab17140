/** The table of topics, and a look at the latest publications of one. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Gateway, History, TopicInfo } from "../../gateway/GatewaySession.js"
import type { BrokerUnavailable } from "../../protocol/ConnectionError.js"
import type { Page, TopicHistory, TopicRow, TopicSort } from "./model.js"
import { type Key, pageOf } from "./paging.js"
import type { Listing } from "./query.js"
import { Refused } from "./reply.js"
import type { Sampler } from "./sampler.js"

/** UTF-16 units of a publication that are shown. */
const shown = 2000

/** Topics whose logs are asked for at once. */
const concurrency = 8

/** A look at publications, whatever they are. */
const anything = (name: string) => ({ name, schema: Schema.Unknown })

const keyOf = (info: TopicInfo, rate: number, sort: TopicSort): Key => {
  switch (sort) {
    case "name":
      return info.name
    case "subscribers":
      return info.subscribers
    case "rate":
      return rate
    case "offset":
      return info.position?.offset
  }
}

const countOf = ({ end, publications: [oldest] }: History<unknown>): number =>
  oldest === undefined ? 0 : end.offset - oldest.position.offset + 1

/** How many publications the log still has; null for a topic that the gateway keeps to itself. */
const kept = (gateway: Gateway<never>, name: string): Effect.Effect<number | null, BrokerUnavailable> =>
  Effect.catchAll(Effect.map(gateway.history(anything(name), { limit: 1 }), countOf), (error) =>
    error._tag === "BrokerUnavailable" ? Effect.fail(error) : Effect.succeed(null)
  )

export const list = Effect.fnUntraced(function* (
  gateway: Gateway<never>,
  sampler: Sampler,
  asked: Listing<TopicSort>
): Effect.fn.Return<Page<TopicRow>, BrokerUnavailable> {
  const topics = yield* gateway.topics
  const matching = topics
    .filter(({ name }) => asked.filter === "" || name.toLowerCase().includes(asked.filter))
    .map((info) => {
      const rate = sampler.rate(info.name)
      return { key: keyOf(info, rate, asked.sort), id: info.name, of: { info, rate } }
    })
  const page = pageOf(matching, topics.length, asked)
  const rows = yield* Effect.forEach(
    page.rows,
    ({ info: { name, position, subscribers }, rate }) =>
      Effect.map(kept(gateway, name), (kept) => ({ name, subscribers, rate, offset: position?.offset ?? null, kept })),
    { concurrency }
  )
  return { ...page, rows }
})

/** The newest `limit` publications that the log still has. */
const newest = Effect.fnUntraced(function* (gateway: Gateway<never>, name: string, limit: number) {
  const topic = anything(name)
  const oldest = yield* gateway.history(topic, { limit: 1 })
  const count = countOf(oldest)
  const { epoch, offset } = oldest.end
  if (count <= limit) return { kept: count, found: yield* gateway.history(topic, { limit }) }
  return { kept: count, found: yield* gateway.history(topic, { since: { epoch, offset: offset - limit }, limit }) }
})

export const history = (
  gateway: Gateway<never>,
  name: string,
  limit: number
): Effect.Effect<TopicHistory, Refused | BrokerUnavailable> =>
  newest(gateway, name, limit).pipe(
    // Between the two questions the log may have been trimmed further, or lost.
    Effect.retry({ times: 2, while: ({ _tag }) => _tag === "PositionLost" }),
    Effect.map(({ found, kept }) => ({
      topic: name,
      kept,
      publications: found.publications
        .map(({ at, position, value }) => {
          const text = JSON.stringify(value)
          return { ...position, at, text: text.slice(0, shown), size: text.length }
        })
        .reverse()
    })),
    Effect.catchTags({
      TopicRefused: ({ message }) => new Refused({ status: 404, reason: message }),
      PositionLost: ({ message }) => new Refused({ status: 503, reason: message }),
      MessageInvalid: ({ message }) => new Refused({ status: 503, reason: message })
    })
  )
