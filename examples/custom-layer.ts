/**
 * A program that provides a SessionStore of its own: the memory store, wrapped
 * so that each operation is counted and a slow one is told. A store over a
 * database is provided in the same way.
 *
 *     npm run example:custom-layer
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, type Context, Duration, Effect, Layer, Metric, Stream } from "effect"
import { Client, Gateway, Messages, SessionStore } from "holdfast"
import { NodeDialer, NodeListener } from "holdfast/node"

const operations = Metric.frequency("session_store_operations")

/** Any store, observed. */
const observed = (store: Context.Tag.Service<SessionStore.SessionStore>): typeof store => {
  const counted = <A, E>(name: string, operation: Effect.Effect<A, E>) =>
    Effect.timed(operation).pipe(
      Effect.tap(([took]) =>
        Duration.greaterThan(took, "100 millis")
          ? Effect.logWarning(`${name} took ${Duration.format(took)}`)
          : Effect.void
      ),
      Effect.map(([, result]) => result),
      Effect.zipLeft(Metric.update(operations, name))
    )
  return {
    create: (session) => counted("create", store.create(session)),
    attach: (request) => counted("attach", store.attach(request)),
    confirm: (id, generation) => counted("confirm", store.confirm(id, generation)),
    append: (id, generation, messages) => counted("append", store.append(id, generation, messages)),
    acknowledge: (id, generation, progress) => counted("acknowledge", store.acknowledge(id, generation, progress)),
    detach: (id, generation, window) => counted("detach", store.detach(id, generation, window)),
    remove: (id, generation, tombstone) => counted("remove", store.remove(id, generation, tombstone)),
    revoke: (target, tombstone) => counted("revoke", store.revoke(target, tombstone)),
    expire: counted("expire", store.expire),
    size: counted("size", store.size),
    watch: store.watch,
    find: (id) => counted("find", store.find(id)),
    post: (id, mail, bounds) => counted("post", store.post(id, mail, bounds)),
    sessionsOf: (principal) => counted("sessionsOf", store.sessionsOf(principal)),
    collect: (id, generation, after) => counted("collect", store.collect(id, generation, after)),
    announce: (node) => counted("announce", store.announce(node)),
    withdraw: (node) => counted("withdraw", store.withdraw(node)),
    nodes: counted("nodes", store.nodes),
    lease: store.lease,
    ready: counted("ready", store.ready)
  }
}

const ObservedStore = Layer.effect(SessionStore.SessionStore, Effect.map(SessionStore.makeMemory(), observed))

class Echo extends Gateway.Tag<Echo>()("examples/Echo", Messages.json) {}

const EchoLive = Gateway.layer(Echo, {
  authenticate: Gateway.anonymous,
  onMessage: (message, session) => session.send(message)
})

const program = Effect.gen(function* () {
  const gateway = yield* Echo
  const client = yield* Client.make({ url: gateway.address, messages: Messages.json })
  for (const word of ["the", "store", "is", "mine"]) yield* client.deliver(word)
  yield* Stream.runForEach(Stream.take(client.messages, 4), (word) => Console.log(`echo: ${word}`))
  yield* client.close
  const { occurrences } = yield* Metric.value(operations)
  yield* Console.log(`store operations: ${[...occurrences].map(([name, n]) => `${name} ${n}`).join(", ")}`)
}).pipe(Effect.scoped)

program.pipe(
  Effect.provide(EchoLive),
  Effect.provide(ObservedStore),
  Effect.provide(NodeListener.layer({ port: 0 })),
  Effect.provide(NodeDialer.layer),
  NodeRuntime.runMain
)
