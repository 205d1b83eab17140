import { Effect } from "effect"
import { Client, Gateway, Messages } from "holdfast"

/** Books each order under its stable id: one that is handled again after a crash is booked once. */
export const shop = (book: Map<string, unknown>) =>
  Gateway.make({
    messages: Messages.json,
    authenticate: Gateway.anonymous,
    resumeWindow: "1 hour",
    onMessage: (order, session, seq) => Effect.sync(() => book.set(`${session.id} ${seq}`, order))
  }).pipe(Effect.zipRight(Effect.never), Effect.scoped)

export const till = (orders: ReadonlyArray<unknown>) =>
  Effect.gen(function* () {
    const client = yield* Client.make({ url: "ws://shop/", messages: Messages.json })
    yield* Effect.forEach(orders, (order) => Effect.delay(client.deliver(order), "10 seconds"))
  }).pipe(Effect.scoped)
