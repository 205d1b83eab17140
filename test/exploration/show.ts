/** A world in words. */
import type { End } from "./end.js"
import * as wire from "./wire.js"
import type { Connection, Host, World } from "./world.js"

const shownEnd = ({ handled, inbox, state }: End): string => {
  const {
    acked,
    ackSent,
    appended,
    begun,
    highest,
    link,
    partIn,
    partOut,
    processed,
    received,
    recorded,
    sent,
    transmitted
  } = state
  const attached = link._tag === "Attached" ? `attached as generation ${link.generation}` : link._tag.toLowerCase()
  const out = `out: sent ${sent} appended ${appended} transmitted ${transmitted} highest ${highest} begun ${begun} halves ${partOut} acked ${acked}`
  const into = `in: received ${received} halves ${partIn} processed ${processed} recorded ${recorded} ackSent ${ackSent}`
  return `${attached}; ${out}; ${into}; handled ${handled}, inbox [${inbox.join(" ")}]`
}

const shownHost = (host: Host): string => {
  const waiting = [
    host.appending > 0 ? `append up to ${host.appending} unanswered` : "",
    ...host.recording.map((upTo) => `note of ${upTo} unanswered`),
    host.expiry === "None" ? "" : `no connection, the store is ${host.expiry.toLowerCase()}`
  ].filter((words) => words !== "")
  return `owns generation ${host.generation}; ${[shownEnd(host.end), ...waiting].join("; ")}`
}

const shownConnection = (connection: Connection): string => {
  const { answer, down, hello, id, isOpenAtClient, isOpenAtServer, place, up } = connection
  const side = isOpenAtClient ? (isOpenAtServer ? "open" : "open at the client") : "open at the gateway"
  const said =
    hello === undefined
      ? []
      : [
          `hello (processed ${hello.processed}, oldest ${hello.oldest}, received ${hello.received.seq} and ${hello.received.bytes} halves)`
        ]
  const answered = answer === undefined ? "" : `; the store answers ${answer._tag} ${answer.generation}`
  const ways = `up [${[...said, ...up.map(wire.show)].join(", ")}], down [${down.map(wire.show).join(", ")}]`
  return `connection ${id} to ${"AB"[place]}, ${side}: ${ways}${answered}`
}

export const show = ({ client, connections, hosts, store }: World): string => {
  const { acked, gone, generation, previousSecret, processed, sent } = store
  const kept = `generation ${generation} (and secret ${previousSecret}), sent ${sent} acked ${acked} processed ${processed}`
  return [
    `client: ${client.over === "" ? shownEnd(client.end) : `over, ${client.over}`}`,
    ...hosts.flatMap((host, place) => (host === undefined ? [] : [`gateway ${"AB"[place]}: ${shownHost(host)}`])),
    ...connections.map(shownConnection),
    `store: ${gone === "" ? kept : gone}`
  ]
    .map((line) => `      ${line}`)
    .join("\n")
}
