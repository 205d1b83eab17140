/** Typical mistakes of users, each a program of its own after `preamble`. */

/** What the mistakes are made with. */
export const preamble = `
import { Context, Effect, Layer, Schema } from "effect"
import { Broker, Client, Connection, ConnectionError, Gateway, Messages, Outcome, Session, SessionStore, Topic } from "holdfast"
import { NodeDialer, NodeListener } from "holdfast/node"
const messages = Messages.make({
  client: Schema.Struct({ say: Schema.String }),
  server: Schema.Struct({ said: Schema.String })
})
interface User extends Gateway.Principal { readonly role: "admin" | "guest" }
class Chat extends Gateway.Tag<Chat, User>()("app/Chat", messages) {}
class Talk extends Client.Tag<Talk>()("app/Talk", messages) {}
class Db extends Context.Tag("app/Db")<Db, { readonly count: number }>() {}
const Room = Topic.make("rooms/:room", Schema.Struct({ text: Schema.String }))
const url = "ws://127.0.0.1:8080"
const onMessage = () => Effect.void
const authenticate = (): Effect.Effect<User> => Effect.succeed({ id: "ann", role: "admin" })
declare const client: Client.Client<{ readonly say: string }, { readonly said: string }>
declare const session: Session.Session<{ readonly said: string }, User>
`

export interface Mistake {
  readonly code: string
  /** The option or the service, in the first three lines of the compiler's message or in what is underlined. */
  readonly names: string
}

export const mistakes: ReadonlyArray<Mistake> = [
  // An option of the other end, or of another role.
  { code: "Client.make({ url, messages, maxSessions: 3 })", names: "maxSessions" },
  { code: 'Client.make({ url, messages, resumeWindow: "1 minute" })', names: "resumeWindow" },
  { code: "Client.make({ url, messages, messageRate: 100 })", names: "messageRate" },
  { code: 'Client.layer(Talk, { url, drainTimeout: "1 second" })', names: "drainTimeout" },
  { code: 'Gateway.make({ messages, authenticate, onMessage, stableAfter: "1 second" })', names: "stableAfter" },
  { code: 'Gateway.make({ messages, authenticate, onMessage, tokenTimeout: "1 second" })', names: "tokenTimeout" },
  { code: "Gateway.layer(Chat, { authenticate, onMessage, url })", names: "url" },
  { code: 'Connection.dial(url, { helloTimeout: "1 second" })', names: "helloTimeout" },
  { code: 'Connection.dial(url, { token: "secret" })', names: "token" },
  { code: "Connection.keep({ url, maxSessions: 3 })", names: "maxSessions" },
  { code: "Connection.keep({ url, replayMessages: 3 })", names: "replayMessages" },
  // A name that is misspelt.
  { code: 'Client.make({ url, messages, heartbeatIntervall: "1 second" })', names: "heartbeatInterval" },
  { code: "Gateway.layer(Chat, { authenticate, onMesage: onMessage, onMessage })", names: "onMessage" },
  // One that is missing.
  { code: "Client.make({ messages })", names: "url" },
  { code: "Client.make({ url })", names: "messages" },
  { code: "Client.layer(Talk, {})", names: "url" },
  { code: "Gateway.make({ messages, onMessage })", names: "authenticate" },
  { code: "Gateway.layer(Chat, { authenticate })", names: "onMessage" },
  { code: "Gateway.topic(Room, {})", names: "subscribe" },
  { code: 'Gateway.make({ messages, authenticate, onMessage: () => Effect.fail("no") })', names: "onFailure" },
  { code: 'Gateway.layer(Chat, { authenticate, onMessage: () => Effect.fail("no") })', names: "onFailure" },
  { code: 'class Bare extends Gateway.Tag<Bare>()("app/Bare") {}', names: "Gateway.Tag<Bare>" },
  { code: "Gateway.layer(Db, { authenticate, onMessage })", names: "messages" },
  { code: "Connection.keep({ url, framing: { encode: () => { throw 1 } } })", names: "decoder" },
  // A value of another type.
  { code: 'Client.make({ url: new URL("ws://a"), messages })', names: "url" },
  { code: 'Client.make({ url, messages, heartbeatInterval: "soon" })', names: "heartbeatInterval" },
  { code: 'Gateway.make({ messages, authenticate, onMessage, maxMessage: "1 MiB" })', names: "maxMessage" },
  { code: 'Client.make({ url, messages, codec: "msgpack" })', names: "codec" },
  { code: 'Client.make({ url, messages, reconnect: "1 second" })', names: "reconnect" },
  { code: 'Client.make({ url, messages, token: async () => "secret" })', names: "token" },
  { code: 'Connection.keep({ url, whileAway: "queue" })', names: "whileAway" },
  { code: 'Connection.keep({ url, verdict: () => "retry" })', names: "verdict" },
  { code: "Connection.keep({ url, onConnect: async () => {} })", names: "onConnect" },
  { code: 'Gateway.make({ messages, authenticate, onMessage, origins: "https://a" })', names: "origins" },
  { code: 'Gateway.topic(Room, { subscribe: Gateway.allow, policy: "drop" })', names: "policy" },
  { code: "Gateway.topic(Room, { subscribe: Gateway.allow, history: 100 })", names: "history" },
  // A function that gives something else.
  {
    code: "Gateway.make({ messages, authenticate, onMessage: (message) => { console.log(message) } })",
    names: "onMessage"
  },
  { code: "Gateway.make({ messages, authenticate, onMessage: async () => {} })", names: "onMessage" },
  {
    code: "Gateway.make({ messages, onMessage, authenticate: () => Effect.succeed({ name: 1 }) })",
    names: "Principal"
  },
  { code: "Gateway.make({ messages, onMessage, authenticate: () => Effect.fail(1) })", names: "NotAuthenticated" },
  { code: "Gateway.topic(Room, { subscribe: () => { true } })", names: "subscribe" },
  {
    code: 'Gateway.make({ messages, authenticate, onMessage: () => Effect.fail("no"), onFailure: () => "retry" })',
    names: "Outcome"
  },
  {
    code: "Gateway.make({ messages, onMessage, authenticate, authorizeUpgrade: () => true })",
    names: "authorizeUpgrade"
  },
  { code: "Gateway.make({ messages, onMessage, authenticate, topics: [Room] })", names: "TopicRule" },
  { code: "Gateway.layer(Chat, { authenticate: () => Effect.succeed({ id: 'ann' }), onMessage })", names: "role" },
  { code: 'client.publish(Room.at({ room: "a" }), { txt: "a" })', names: "txt" },
  { code: 'Room.at({ name: "a" })', names: "room" },
  { code: 'session.send({ text: "a" })', names: "text" },
  // A service that nobody provides.
  { code: "Effect.runPromise(Effect.scoped(Client.make({ url, messages })))", names: "Dialer" },
  {
    code: "Effect.runPromise(Layer.launch(Gateway.layer(Chat, { authenticate, onMessage }).pipe(Layer.provide(NodeListener.layer({ port: 1 })))))",
    names: "SessionStore"
  },
  {
    code: "Effect.runPromise(Layer.launch(Gateway.layer(Chat, { authenticate, onMessage, topics: [Gateway.topic(Room, { subscribe: Gateway.allow })] }).pipe(Layer.provide([NodeListener.layer({ port: 1 }), SessionStore.layerMemory()]))))",
    names: "Broker"
  }
]
