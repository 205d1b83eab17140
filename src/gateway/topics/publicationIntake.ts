/** A session's publications on its gateway: judged, counted if they have a key, and published. */
import * as Effect from "effect/Effect"
import { made } from "../../connection/bounded.js"
import {
  type KeyReused,
  type MessageInvalid,
  type NotAllowed,
  TooManyKeys,
  type TopicRefused
} from "../../protocol/ConnectionError.js"
import type * as Protocol from "../../protocol/Protocol.js"
import * as publicationCodec from "../../protocol/publicationCodec.js"
import { RefusedBody } from "../../protocol/refusedBody.js"
import type { PublishOptions } from "../../topic/Broker.js"
import type { Principal } from "../GatewaySession.js"
import type { Caller } from "../TopicRule.js"
import { KeyQuota } from "./keyQuota.js"
import { refusal, tooManyKeys } from "./requestRefusal.js"
import type { Known, TopicRegistry } from "./topicRegistry.js"

type Failure = NotAllowed | MessageInvalid | KeyReused | TooManyKeys | TopicRefused

export class PublicationIntake<P extends Principal, R> {
  /** Made with the first key. */
  private quota: KeyQuota | undefined

  constructor(
    private readonly topics: TopicRegistry<P, R>,
    private readonly session: string
  ) {}

  publish(
    request: Protocol.Publish,
    known: Known<P, R>,
    caller: Caller<P>
  ): Effect.Effect<Protocol.Position, TopicRefused, R> {
    const { maxMessage } = this.topics.options
    const { body } = request
    if (body instanceof RefusedBody) return Effect.fail(refusal(request.topic, body.code, body.issue))
    return made(() => known.matched.mayPublish(body, caller)).pipe(
      Effect.flatMap((payload): Effect.Effect<Protocol.Position, TopicRefused | KeyReused | TooManyKeys> => {
        const size = publicationCodec.size(payload, maxMessage)
        if (size > maxMessage) {
          return Effect.fail(refusal(request.topic, "too-large", `${size} bytes, and the limit is ${maxMessage}`))
        }
        const { key } = request
        const options = { key, retention: known.retention, publisher: this.session }
        return key === undefined ? this.ask(request.topic, payload, options) : this.counted(request, payload, options)
      }),
      Effect.mapError((error) => unpublished(request, error))
    )
  }

  private ask(topic: string, payload: string, options: PublishOptions) {
    return this.topics.patiently(this.topics.broker.publish(topic, payload, options))
  }

  /** Publishes, and counts the key: one that was counted before, and is only published again, is not counted twice. */
  private counted({ id, topic }: Protocol.Publish, payload: string, options: PublishOptions) {
    const { broker, now, options: bounds } = this.topics
    const { maxKeysPerSession: limit } = bounds
    this.quota ??= new KeyQuota(limit, broker.keyWindow)
    const { quota } = this
    const repeated = (retryAfter: number) =>
      this.ask(topic, payload, {
        ...options,
        ifNew: new TooManyKeys({ option: "maxKeysPerSession", limit, retryAfter })
      })
    const wait = quota.wait(now())
    if (wait > 0) return repeated(wait)
    const published = Effect.map(this.ask(topic, payload, options), (position) => {
      quota.add(id, now())
      return position
    })
    return quota.mayKnow(id) ? Effect.catchTag(repeated(0), "TooManyKeys", () => published) : published
  }
}

const unpublished = (request: Protocol.Publish, error: Failure): TopicRefused => {
  switch (error._tag) {
    case "NotAllowed":
      return refusal(request.topic, "not-allowed", error.reason)
    case "MessageInvalid":
      return refusal(request.topic, "invalid-publication", error.issue)
    case "KeyReused":
      return refusal(request.topic, "key-reused", error.message)
    case "TooManyKeys":
      return tooManyKeys(request.topic, error)
    default:
      return error
  }
}
