/** What is inferred, and so need not be written: compiled by `npm run check`. */
import { Context, Data, Effect, Layer, Schedule, Schema, type Scope } from "effect"
import {
  type Broker,
  Client,
  Connection,
  type ConnectionError,
  type Dialer,
  Gateway,
  type Listener,
  Messages,
  Outcome,
  Reconnect,
  type Session,
  type SessionStore,
  Topic
} from "holdfast"

interface User extends Gateway.Principal {
  readonly role: "admin" | "guest"
}

class Users extends Context.Tag("types/Users")<
  Users,
  { readonly find: (token: string) => Effect.Effect<User, ConnectionError.NotAuthenticated> }
>() {}
class Orders extends Context.Tag("types/Orders")<Orders, { readonly place: (say: string) => Effect.Effect<void> }>() {}
class Rights extends Context.Tag("types/Rights")<Rights, { readonly of: (id: string) => Effect.Effect<void> }>() {}

const messages = Messages.make({
  client: Schema.Struct({ say: Schema.String }),
  server: Schema.Struct({ said: Schema.String })
})

const Room = Topic.make("rooms/:room", Schema.Struct({ text: Schema.String }))

class Chat extends Gateway.Tag<Chat, User>()("types/Chat", messages) {}
class Talk extends Client.Tag<Talk>()("types/Talk", messages) {}

/** Compiles where both are one type. */
const isExactly =
  <A>() =>
  <B>(_: B & ([A] extends [B] ? ([B] extends [A] ? unknown : never) : never)): void => {}

// The tag says the messages, their types and the principal's: all handlers have them, and each may need services of its own.
const ChatLive = Gateway.layer(Chat, {
  topics: [
    Gateway.topic(Room, {
      subscribe: ({ room }, { principal }) => {
        isExactly<string>()(room)
        isExactly<"admin" | "guest">()(principal.role)
        return Effect.void
      },
      publish: (_, { text }, { principal }) => {
        isExactly<string>()(text)
        isExactly<"admin" | "guest">()(principal.role)
        return Effect.void
      }
    })
  ],
  onMessage: ({ say }, session) =>
    Effect.gen(function* () {
      isExactly<"admin" | "guest">()(session.principal.role)
      yield* (yield* Orders).place(say)
      yield* session.send({ said: say })
    }),
  authenticate: ({ token = "" }) => Effect.flatMap(Users, ({ find }) => find(token))
})
isExactly<Chat>()({} as Layer.Layer.Success<typeof ChatLive>)
isExactly<Broker.Broker | Listener.Listener | Orders | SessionStore.SessionStore | Users>()(
  {} as Layer.Layer.Context<typeof ChatLive>
)

// Without a tag the principal's type is that of `authenticate`, in topics that are made here.
const gateway = Gateway.make({
  messages,
  authenticate: ({ token = "" }) => Effect.flatMap(Users, ({ find }) => find(token)),
  onMessage: (_, session) => {
    isExactly<"admin" | "guest">()(session.principal.role)
    return Effect.void
  },
  topics: (topic) => [
    topic(Room, {
      subscribe: (_, { principal }) => {
        isExactly<"admin" | "guest">()(principal.role)
        return Effect.flatMap(Rights, (rights) => rights.of(principal.id))
      }
    })
  ]
})
isExactly<Gateway.Gateway<{ readonly said: string }, User>>()({} as Effect.Effect.Success<typeof gateway>)

// Rules that need different services, in an array and from a function.
const seen = Topic.make("seen", Schema.Number, { presence: Schema.String })
const needs = {
  messages,
  authenticate: () => Effect.succeed({ id: "ann", name: "Ann" }),
  onMessage: () => Effect.void
}
const inArray = Gateway.make({
  ...needs,
  topics: [
    Gateway.topic(Room, { subscribe: () => Effect.asVoid(Users) }),
    Gateway.topic(seen, { subscribe: Gateway.allow, publish: () => Effect.asVoid(Rights) })
  ]
})
const fromFunction = Gateway.make({
  ...needs,
  topics: (topic) => [
    topic(Room, { subscribe: () => Effect.asVoid(Users) }),
    topic(seen, {
      subscribe: Gateway.allow,
      presence: { data: (_, said, { principal }) => Effect.as(Rights, said ?? principal.name) }
    })
  ]
})
type Needed = Broker.Broker | Listener.Listener | Rights | Scope.Scope | SessionStore.SessionStore | Users
isExactly<Needed>()({} as Effect.Effect.Context<typeof inArray>)
isExactly<Needed>()({} as Effect.Effect.Context<typeof fromFunction>)

// What members say of themselves is of the topic's type, and of no other topic is there any.
export const present = (client: Client.Client<unknown, unknown>) => {
  const room = Room.at({ room: "a" })
  client.subscribe(seen.at(), { presence: "here" })
  isExactly<string | undefined>()({} as Effect.Effect.Success<ReturnType<typeof membersOf>>)
  // @ts-expect-error: a number is none
  client.subscribe(seen.at(), { presence: 1 })
  // @ts-expect-error: members of a room say nothing
  client.subscribe(room, { presence: "here" })
  // @ts-expect-error: the same
  client.updatePresence(room, "here")
}
const membersOf = (gateway: Gateway.Gateway<unknown>) =>
  Effect.map(gateway.members(seen.at()), ([first]) => first?.data)

const client = Client.make({
  url: Effect.map(Rights, () => "ws://127.0.0.1"),
  token: Effect.map(Users, () => "secret"),
  messages
})
isExactly<"Dialer" | "Rights" | "Scope" | "Users">()(
  {} as {
    readonly [K in Effect.Effect.Context<typeof client> as K extends Rights
      ? "Rights"
      : K extends Users
        ? "Users"
        : K extends Dialer.Dialer
          ? "Dialer"
          : "Scope"]: 0
  } extends infer T
    ? keyof T
    : never
)

const TalkLive = Client.layer(Talk, { url: "ws://127.0.0.1" })
isExactly<Dialer.Dialer>()({} as Layer.Layer.Context<typeof TalkLive>)
const answers = Effect.flatMap(Talk, ({ deliver }) => deliver({ say: "hello" }))
isExactly<Talk>()({} as Effect.Effect.Context<typeof answers>)

// The policy of a client is a Schedule for whatever else fails.
export const retried = Effect.scoped(Connection.dial("ws://127.0.0.1")).pipe(Effect.retry(Reconnect.exponential()))

// What a function of one's own is given.
export const greet = (session: Session.Session<{ readonly said: string }, User>) =>
  session.send({ said: `welcome, ${session.principal.role}` })

export const all = Layer.mergeAll(ChatLive, TalkLive)

class SoldOut extends Data.TaggedError("SoldOut")<{ readonly item: string }> {}
class Away extends Data.TaggedError("Away") {}
declare const order: (say: string) => Effect.Effect<void, SoldOut | Away, Orders>

// What `onMessage` may fail with is what `onFailure` is given, whichever way it is written; its retries may need services, too.
const failing = Gateway.make({
  messages,
  authenticate: Gateway.anonymous,
  onMessage: ({ say }, session) => (say === "" ? session.send({ said: "nothing" }) : order(say)),
  onFailure: (error) => {
    isExactly<SoldOut | Away | Gateway.SendFailure>()(error)
    return error._tag === "Away"
      ? Outcome.retry(
          Schedule.mapEffect(Schedule.recurs(3), () => Rights),
          Outcome.end("away", { final: true })
        )
      : Outcome.refuse("sold-out", error.message)
  }
})
isExactly<Listener.Listener | Orders | Rights | Scope.Scope | SessionStore.SessionStore>()(
  {} as Effect.Effect.Context<typeof failing>
)

// What `send` fails with needs no word.
export const EchoLive = Gateway.layer(Chat, {
  authenticate: ({ token = "" }) => Effect.flatMap(Users, ({ find }) => find(token)),
  onMessage: ({ say }, session) => session.send({ said: say })
})
