import { Data, type Effect, Schedule } from "effect"
import { Gateway, Messages, Outcome } from "holdfast"

class SoldOut extends Data.TaggedError("SoldOut")<{ readonly item: string }> {}
class DatabaseAway extends Data.TaggedError("DatabaseAway") {}

declare const order: (message: unknown) => Effect.Effect<void, SoldOut | DatabaseAway>

class Shop extends Gateway.Tag<Shop>()("Shop", Messages.json) {}

const fiveTimes = Schedule.intersect(Schedule.exponential("100 millis"), Schedule.recurs(5))

export const ShopLive = Gateway.layer(Shop, {
  authenticate: Gateway.anonymous,
  onMessage: (message) => order(message),
  onFailure: (error) => {
    switch (error._tag) {
      case "SoldOut": // the client's `deliver` fails with MessageRefused
        return Outcome.refuse("sold-out", `there is no ${error.item} left`)
      case "DatabaseAway": // run again; what comes after this message waits
        return Outcome.retry(fiveTimes, Outcome.end("the shop is closed", { final: false }))
    }
  }
})
