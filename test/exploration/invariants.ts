/** What must hold in every world. Gives what does not, in words. */
import type { End } from "./end.js"
import type { Bounds } from "./rules.js"
import type { Host, World } from "./world.js"

type Law = readonly [holds: boolean, words: string]

const flawOf = (laws: ReadonlyArray<Law>): string | undefined => laws.find(([holds]) => !holds)?.[1]

/** Of each end by itself. */
const ofEnd = ({ handled, inbox, released, state, written }: End): ReadonlyArray<Law> => {
  const {
    acked,
    ackSent,
    appended,
    begun,
    highest,
    partOut,
    processed,
    received,
    recorded,
    sent,
    transmitted,
    window
  } = state
  return [
    [ackSent <= recorded, "ackSent <= recorded"],
    [recorded <= processed, "recorded <= processed"],
    [processed <= received, "processed <= received"],
    [received <= processed + window, "received <= processed + window"],
    [acked <= transmitted, "acked <= transmitted"],
    [transmitted <= highest, "transmitted <= highest"],
    [written <= begun, "what was ever written is known to have left"],
    [highest <= begun, "highest <= begun: what left whole has left"],
    [partOut === 0 || transmitted < begun, "of what has left in part it is known"],
    [begun <= appended, "begun <= appended: nothing leaves before the store has it"],
    [appended <= sent, "appended <= sent"],
    [handled === processed, "processed is what the application has handled"],
    [inbox.length === received - handled, "what was received is handled or in the inbox, once"],
    [released === acked, "the buffer holds exactly what the peer has not acknowledged"]
  ]
}

/** Of every gateway that believes to own the session, fenced off or not. */
const ofHost = (host: Host, { client, store }: World): ReadonlyArray<Law> => {
  const { acked, appended, recorded } = host.end.state
  const known = 2 ** appended - 1
  return [
    [host.generation <= store.generation, "no gateway is ahead of the store's generation"],
    [acked <= client.end.handled, "what a gateway releases was processed by the client"],
    [recorded <= store.processed, "what a gateway takes for recorded the store has"],
    [appended <= store.sent, "what a gateway takes for appended the store has"],
    [(host.authors & known) === (store.authors & known), "each number is of one message, of one gateway"]
  ]
}

/** Of the gateway that the store knows as the owner. */
const ofOwner = (host: Host, { client, store }: World): ReadonlyArray<Law> => {
  const { acked, begun, highest, partIn, processed, received } = host.end.state
  const its = client.end.state
  return [
    [store.processed <= processed, "the store knows as processed only what was"],
    [store.acked <= acked, "the store releases only what the client has acknowledged"],
    [client.end.state.received <= highest, "what the client has received has left"],
    [client.end.released <= received, "what the client has released need not be sent again"],
    [received <= client.end.state.highest, "what the gateway has received has left"],
    [partIn === 0 || received < its.begun, "what the gateway has received in part has left"],
    [its.partIn === 0 || its.received < begun, "what the client has received in part has left"]
  ]
}

const ofSession = ({ client, store }: World): ReadonlyArray<Law> => {
  const { handled, released, state } = client.end
  const { generation } = state
  return [
    [released <= store.processed, "nothing is lost: what the client releases is recorded as processed"],
    [store.acked <= handled, "nothing is lost: what the store releases was processed by the client"],
    [handled <= store.sent, "the client handles only what was sent"],
    [store.processed <= state.highest, "only what left the client is processed"],
    [generation <= store.generation, "the client is not ahead of the store's generation"],
    [
      generation === store.generation || generation === store.previousSecret,
      "the secret that the client holds is good for a resume"
    ]
  ]
}

/** At most one connection acts for the session. */
const ofFencing = ({ connections, hosts, store }: World): ReadonlyArray<Law> => {
  const owners = hosts.filter((host) => host?.generation === store.generation)
  const acting = connections.filter(
    ({ generation, id, isOpenAtServer, place }) =>
      isOpenAtServer && generation === store.generation && hosts[place]?.connection === id
  )
  return [
    [owners.length <= 1, "at most one gateway owns the session"],
    [acting.length <= 1, "at most one connection acts for the session"],
    [
      hosts.every(
        (host) => host === undefined || (host.connection === -1) !== (host.end.state.link._tag === "Attached")
      ),
      "a session is attached exactly while it has a connection"
    ]
  ]
}

export const flaw = (bounds: Bounds, world: World): string | undefined => {
  const { client, hosts, store } = world
  if (client.over !== "") return flawOf(ofEnding(bounds, world))
  const found = flawOf(ofEnd(client.end)) ?? flawOf(ofSession(world)) ?? flawOf(ofFencing(world))
  if (found !== undefined) return found
  for (const host of hosts) {
    if (host === undefined) continue
    const owned = host.generation === store.generation ? flawOf(ofOwner(host, world)) : undefined
    const wrong = flawOf(ofEnd(host.end)) ?? flawOf(ofHost(host, world)) ?? owned
    if (wrong !== undefined) return wrong
  }
  return undefined
}

/** A session ends only for a reason that there was. */
const ofEnding = ({ handlerFailures }: Bounds, { client, faults }: World): ReadonlyArray<Law> => [
  [!client.over.includes("expired") || faults.expiries > 0, "a session expires only when it was not resumed in time"],
  [
    !client.over.startsWith("4411") || faults.expiries > 0 || (handlerFailures > 0 && faults.handlerFailures > 0),
    "a session is ended only when its handler failed, or it expired"
  ]
]
