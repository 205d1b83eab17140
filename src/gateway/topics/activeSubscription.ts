/** A subscription of a session while a connection brings its publications. */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import { CloseCode } from "../../protocol/CloseCode.js"
import type { DeliveryBacklog } from "./deliveryBacklog.js"
import type { AnswerCost } from "./requestIntake.js"
import * as subscriber from "./subscriber.js"
import type { TopicFeed } from "./topicFeed.js"
import type { Known, TopicRegistry } from "./topicRegistry.js"

export class ActiveSubscription {
  private readonly subscriber: subscriber.Subscriber
  private recovering: Fiber.RuntimeFiber<void> | undefined
  private isOver = false

  constructor(
    private readonly topics: Pick<TopicRegistry<never, unknown>, "broker" | "feeds" | "patiently">,
    private readonly fork: (effect: Effect.Effect<void>) => Fiber.RuntimeFiber<void>,
    /** Acquired; it is released when this ends. */
    private readonly feed: TopicFeed,
    { name, policy }: Pick<Known<never, unknown>, "name" | "policy">,
    backlog: DeliveryBacklog,
    private readonly start: subscriber.Start,
    cost: AnswerCost
  ) {
    const tooSlow = () =>
      backlog.live.close(CloseCode.TooSlow, `more publications of ${name} wait than may: the client is too slow`)
    this.subscriber = new subscriber.Subscriber(feed, policy, backlog, start.from, cost, tooSlow)
  }

  begin(): void {
    if (this.subscriber.begin(this.start.publications)) return
    // The connection's end has its own ways of being told.
    this.recovering = this.fork(Effect.ignore(this.topics.patiently(this.subscriber.recover(this.topics.broker))))
  }

  /** Sends what was published by now. */
  tell(): void {
    this.feed.tell()
  }

  end(): void {
    // What is told may find the client too slow, and end this.
    if (this.isOver) return
    this.isOver = true
    // What was published before it goes is for it too.
    this.feed.tell()
    this.subscriber.stop()
    this.recovering?.unsafeInterruptAsFork(FiberId.none)
    // A feed that others follow is released at once; the last one closes the broker's subscription.
    this.fork(this.topics.feeds.release(this.feed))
  }
}
